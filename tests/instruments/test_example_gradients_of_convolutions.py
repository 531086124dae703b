"""Each example's gradient norm through every kind of convolution, without the gradient."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _norms import EPS, from_gradients, in_double, without_gradient
from _zoo import draw
from jax import lax

from gdfunc.core import trace_loss
from gdfunc.instruments._example_gradients import example_gradient_norms
from gdfunc.instruments._gram import Product
from gdfunc.instruments._products import products
from gdfunc.instruments._program import read_program


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


CONVOLUTION = {
    "window_strides": (1, 1),
    "padding": "SAME",
    "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
}
# What it is -> (the image's shape, the kernel's, options, whether by Gram matrices).
CONVOLUTIONS = {
    "same": ((9, 8, 3), (3, 2, 3, 5), {}, False),
    "valid": ((9, 8, 3), (3, 2, 3, 5), {"padding": "VALID"}, False),
    "cut": ((9, 8, 3), (3, 2, 3, 5), {"padding": ((-1, 2), (0, -2))}, False),
    "stride": ((9, 8, 3), (3, 2, 3, 5), {"window_strides": (2, 3)}, False),
    "dilated": ((9, 8, 3), (3, 2, 3, 5), {"rhs_dilation": (2, 3)}, False),
    "transposed": ((9, 8, 3), (3, 2, 3, 5), {"lhs_dilation": (2, 3), "padding": ((1, 2), (3, 1))}, False),
    "few positions": ((5, 6, 4), (3, 2, 4, 9), {"window_strides": (2, 3)}, True),
    "one position": ((5, 6, 4), (5, 6, 4, 9), {"padding": "VALID"}, True),
    "one place": ((3, 2, 20), (1, 1, 20, 30), {}, True),
    "patches": ((8, 6, 4), (4, 3, 4, 9), {"window_strides": (4, 3), "padding": "VALID"}, True),
    "few dilated positions": ((5, 6, 9), (3, 2, 9, 9), {"window_strides": (3, 3), "rhs_dilation": (2, 3)}, True),
    "channels first": (
        (3, 9, 8),
        (5, 3, 3, 2),
        {"window_strides": (2, 1), "dimension_numbers": ("NCHW", "OIHW", "NCHW")},
        False,
    ),
    "channels first, few positions": (
        (4, 5, 6),
        (9, 4, 3, 2),
        {"window_strides": (2, 3), "dimension_numbers": ("NCHW", "OIHW", "NCHW")},
        True,
    ),
    "axes anyhow": ((9, 3, 8), (3, 5, 2, 3), {"dimension_numbers": ("NHCW", "HOWI", "WCNH")}, False),
    "one axis": (
        (20, 3),
        (4, 3, 5),
        {"window_strides": (3,), "rhs_dilation": (2,), "dimension_numbers": ("NHC", "HIO", "NHC")},
        False,
    ),
    "three axes": (
        (4, 5, 3, 2),
        (2, 3, 2, 2, 4),
        {"window_strides": (1, 2, 1), "dimension_numbers": ("NHWDC", "HWDIO", "NHWDC")},
        False,
    ),
    "groups": ((9, 8, 6), (3, 2, 3, 4), {"feature_group_count": 2}, False),
    "groups, few positions": ((5, 6, 8), (3, 2, 4, 18), {"feature_group_count": 2, "window_strides": (2, 3)}, True),
    "depthwise": ((9, 8, 6), (3, 2, 1, 12), {"feature_group_count": 6}, False),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_norms_of_every_kind_of_convolution_need_no_gradient(name):
    image, kernel, options, by_gram = CONVOLUTIONS[name]
    kernel, x = in_double((draw(*kernel), draw(5, *image)))
    convolve = partial(lax.conv_general_dilated, **CONVOLUTION | options)
    loss = lambda w, x: jnp.mean(jnp.tanh(convolve(x, w)) ** 2)  # noqa: E731
    program = read_program(trace_loss("test", loss, kernel, x[:1])[0])
    found = products(program, 1)[0]
    assert isinstance(found, Product)
    assert found.cheaper is by_gram
    wanted = from_gradients(loss, kernel, x)
    assert np.all(wanted > 0)
    np.testing.assert_allclose(example_gradient_norms(loss, kernel, x, 3), wanted, rtol=64 * EPS)


def test_a_convolution_of_groups_of_examples_has_its_gradient_taken():
    kernel, x = in_double((draw(6, 3, 3, 3), draw(5, 4, 3, 8, 8)))
    convolve = lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME", batch_group_count=2)  # noqa: E731
    loss = lambda w, x: jnp.mean(jax.vmap(convolve, (0, None))(x, w) ** 2)  # noqa: E731
    assert without_gradient(loss, kernel, x) == set()
    wanted = from_gradients(loss, kernel, x)
    np.testing.assert_allclose(example_gradient_norms(loss, kernel, x), wanted, rtol=64 * EPS)
