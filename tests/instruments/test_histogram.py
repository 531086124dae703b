"""The histogram by powers of two: against NumPy's own exponents."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc.instruments._histogram import exponent_histogram


def counts(x):
    """The same by `numpy.frexp`, for finite numbers that are not denormal."""
    x = np.asarray(x, np.float64).ravel()
    table = np.zeros((2, 256), int)
    for value in x:
        exponent = 0 if value == 0 else np.frexp(value)[1] - 1 + 127
        table[int(not np.signbit(value)), exponent] += 1
    return table


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_each_entry_is_counted_under_its_exponent_and_sign(dtype):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(20, 30)) * 2.0 ** rng.integers(-10, 10, (20, 30)), dtype).at[0, :5].set(0)
    found = jax.jit(exponent_histogram)(x)
    np.testing.assert_array_equal(found, counts(x))
    assert found.shape == (2, 256)
    assert jnp.sum(found) == 600


def test_a_power_of_two_opens_its_column():
    found = exponent_histogram(jnp.asarray([1.0, 1.9999999, 2.0, -0.5, -0.49999997]))
    assert (found[1, 127], found[1, 128], found[0, 126], found[0, 125]) == (2, 1, 1, 1)


def test_zeros_and_what_is_not_finite_have_columns_of_their_own():
    found = exponent_histogram(jnp.asarray([0.0, 1e-40, 0.0, jnp.inf, -jnp.inf, jnp.nan, 1.0]))
    assert jnp.sum(found[:, 0]) == 3
    assert jnp.sum(found[:, 255]) == 3
    with jax.enable_x64(True):
        assert exponent_histogram(jnp.asarray([1e300]))[1, 255] == 1


@pytest.mark.parametrize("shape", [(64, 64), (1000, 24), (7, 5, 3, 11), (4097,), (1,)])
def test_no_more_than_the_sample_is_looked_at_and_no_column_is_favoured(shape):
    sample = 500
    column = jnp.broadcast_to(2.0 ** jnp.arange(shape[-1]) if shape[-1] < 100 else jnp.ones(shape[-1]), shape)
    found = exponent_histogram(column, sample)
    size = np.prod(shape)
    # A stride without common divisors is a few longer than the shortest.
    assert min(size, sample) / 2 <= jnp.sum(found) <= sample
    seen = found[1][found[1] > 0]
    if shape[-1] < 100:
        assert len(seen) == shape[-1]
        assert np.max(seen) - np.min(seen) <= 1


def test_many_at_once_are_each_as_alone():
    x = normal(0, 3, 50)
    np.testing.assert_array_equal(jax.vmap(exponent_histogram)(x), jnp.stack([exponent_histogram(row) for row in x]))


WRONG = [
    (
        lambda: exponent_histogram(jnp.arange(3)),
        "exponent_histogram needs real floating-point entries, and was given int32",
    ),
    (lambda: exponent_histogram(jnp.zeros((0, 2))), "and was given float32(0, 2)"),
    (lambda: exponent_histogram(jnp.ones(3), 0), "exponent_histogram needs sample >= 1, and was given sample=0"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
