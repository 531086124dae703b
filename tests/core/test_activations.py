from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.core import activation, gelu, identity, leaky_relu, relu, selu, sigmoid, silu, tanh

ALL = {
    "identity": identity,
    "relu": relu,
    "leaky_relu": partial(leaky_relu, slope=0.2),
    "tanh": tanh,
    "sigmoid": sigmoid,
    "silu": silu,
    "selu": selu,
    "gelu": gelu,
    "gelu, tanh form": partial(gelu, form="tanh"),
}


def erf(x):
    from math import erf

    return np.vectorize(erf)(x)


FORMULAS = {
    "identity": lambda x: x,
    "relu": lambda x: (x + abs(x)) / 2,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "tanh": lambda x: 1 - 2 / (np.exp(2 * x) + 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "gelu": lambda x: x / 2 * (1 + erf(x / np.sqrt(2))),
    "gelu, tanh form": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_value_is_the_formulas_in_every_dtype(name, dtype):
    with jax.enable_x64(True):
        x = jnp.linspace(-12, 12, 97).astype(dtype)
        y = ALL[name](x)
        assert y.dtype == dtype
        chex.assert_tree_all_finite(y)
        expected = FORMULAS[name](np.asarray(x, np.float64))
        # An activation's argument is itself rounded: errors count in eps of max(|x|, 1).
        atol = 4 * float(jnp.finfo(dtype).eps) * np.maximum(abs(np.asarray(x, np.float64)), 1)
        assert np.all(abs(np.asarray(y, np.float64) - expected) <= atol)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_every_derivative_is_finite_at_every_finite_number(name, dtype):
    powers = 10.0 ** np.arange(-40, 39)
    largest = float(jnp.finfo(dtype).max)
    x = np.clip(np.concatenate([-powers, [0.0], powers, [largest, -largest]]), -largest, largest)
    x = x[abs(x) * 1.7 <= largest]  # selu's slope of 1.76 overflows the last step, and should
    derivatives = jax.vmap(jax.grad(ALL[name]))(jnp.asarray(x, dtype))
    chex.assert_tree_all_finite(derivatives)
    assert jnp.max(abs(derivatives)) < 2


def test_jaxs_own_tanh_form_of_gelu_is_why_ours_clips():
    assert not jnp.isfinite(jax.grad(partial(jax.nn.gelu, approximate=True))(1e20))
    assert jax.grad(partial(gelu, form="tanh"))(1e20) == 1


def test_at_a_kink_the_derivative_is_the_left_one():
    assert jax.grad(relu)(0.0) == 0
    assert jax.grad(leaky_relu)(0.0) == np.float32(0.01)
    np.testing.assert_allclose(jax.grad(selu)(0.0), 1.0507009873554805 * 1.6732632423543772, rtol=3e-7)


def test_leaky_relu_of_slope_zero_is_relu_derivative_and_all():
    x = jnp.array([-2.0, 0.0, 3.0])
    for f, g in ((relu, partial(leaky_relu, slope=0.0)), (jax.grad(relu), jax.grad(partial(leaky_relu, slope=0.0)))):
        np.testing.assert_array_equal(jax.vmap(f)(x), jax.vmap(g)(x))


def test_the_two_forms_of_gelu_differ_by_less_than_5e_4_and_more_than_4e_4():
    x = jnp.linspace(-8, 8, 4001)
    assert 4e-4 < jnp.max(abs(gelu(x) - gelu(x, form="tanh"))) < 5e-4


def test_derivatives_equal_central_differences():
    with jax.enable_x64(True):
        x = jnp.linspace(-4, 4, 33) + 0.01
        for f in ALL.values():
            difference = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
            np.testing.assert_allclose(jax.vmap(jax.grad(f))(x), difference, rtol=0, atol=1e-8)


def test_activation_finds_a_name_binds_settings_and_takes_a_function():
    assert activation("relu") is relu
    assert activation(jnp.sin) is jnp.sin
    assert activation("leaky_relu", slope=0.5)(jnp.float32(-2.0)) == -1


def test_an_unknown_name_or_form_is_an_error_with_the_nearest_names():
    with pytest.raises(ValueError, match=r"activation knows no 'leaky_rulu'. Did you mean 'leaky_relu'"):
        activation("leaky_rulu")
    with pytest.raises(ValueError, match="gelu needs form to be 'exact' or 'tanh'"):
        gelu(jnp.ones(2), form="fast")
