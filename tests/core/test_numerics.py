"""Bias corrections keep their digits, and roots their gradients."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gdfunc.core import debias, ema, root_with_eps, safe_norm, safe_sqrt, wide

STEPS = [1, 2, 3, 5, 10, 30, 100, 1000, 10_000, 100_000]
DECAYS = [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999]


def one_minus_power(decay, t):
    """In rationals; numerator and denominator are cut to 400 binary digits, far below what is looked at."""
    power, base = Fraction(1), Fraction(decay)
    for bit in bin(t)[2:]:
        power = power * power * (base if bit == "1" else 1)
        power = Fraction(int(power * 2**400), 2**400)
    return float(1 - power)


@pytest.mark.parametrize("decay", DECAYS)
def test_debias_is_exact_in_float32_for_a_number_and_for_an_array(decay):
    t = jnp.array(STEPS)
    for given in (decay, jnp.float32(decay)):
        wanted = [one_minus_power(float(given), step) for step in STEPS]
        seen = jax.vmap(lambda step, given=given: jnp.asarray(debias(given, step), jnp.float32))(t)
        np.testing.assert_allclose(seen, wanted, rtol=3e-7)


def test_debias_is_exact_in_float64():
    with jax.enable_x64(True):
        wanted = [one_minus_power(0.999, step) for step in STEPS]
        for given in (0.999, jnp.asarray(0.999)):
            seen = jax.vmap(lambda step, given=given: debias(given, step))(jnp.array(STEPS))
            assert seen.dtype == np.float64
            np.testing.assert_allclose(seen, wanted, rtol=5e-16)


def test_the_literal_power_loses_five_digits_in_float32():
    off = float(debias(0.999, jnp.int32(1), "power")) / 0.001 - 1
    assert abs(off) > 1e-5


def test_debias_none_is_no_correction():
    assert debias(0.9, jnp.int32(3), "none") == 1


@pytest.mark.parametrize("form", ["exact", "power"])
@pytest.mark.parametrize("decay", [0.1, 0.5, 0.51, 0.9, 0.999])
def test_debias_has_its_derivative_on_both_sides_of_the_change_of_form(decay, form):
    with jax.enable_x64(True):
        for t in (1, 2, 7, 100):
            slope = jax.grad(lambda b, t=t: debias(b, t, form))(decay)
            np.testing.assert_allclose(slope, -t * decay ** (t - 1), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("form", ["exact", "power"])
def test_debias_has_a_finite_derivative_at_decay_zero(form):
    slopes = [float(jax.grad(lambda b, t=t: debias(b, jnp.int32(t), form))(0.0)) for t in (1, 2, 3)]
    assert slopes == [-1, 0, 0]


def test_ema_averages():
    assert float(ema(jnp.asarray(2.0), jnp.asarray(6.0), 0.75)) == 3.0


def test_safe_sqrt_is_the_root_with_a_zero_derivative_at_zero():
    x = jnp.array([0.0, 1e-30, 0.25, 4.0])
    np.testing.assert_array_equal(safe_sqrt(x), jnp.sqrt(x))
    first, second = jax.grad(safe_sqrt), jax.grad(jax.grad(safe_sqrt))
    assert float(first(0.0)) == 0
    assert float(second(0.0)) == 0
    np.testing.assert_allclose(first(4.0), 0.25)
    np.testing.assert_allclose(second(4.0), -1 / 32)
    with jax.enable_x64(True):
        check_grads(safe_sqrt, (jnp.array([0.3, 2.0]),), order=3, modes=["fwd", "rev"])


def test_safe_sqrt_leaves_no_nan_where_the_plain_root_does():
    root = lambda f: jax.grad(lambda scale: jnp.sum(f(scale * jnp.zeros(3))))(2.0)  # noqa: E731
    assert np.isnan(root(jnp.sqrt))
    assert root(safe_sqrt) == 0


def test_safe_norm_is_the_norm_with_a_zero_derivative_at_zero():
    x = jnp.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(safe_norm(x), 5.0)
    np.testing.assert_allclose(safe_norm(x, axis=1), [5.0, 0.0])
    assert safe_norm(x, axis=1, keepdims=True).shape == (2, 1)
    slopes = jax.grad(lambda x: jnp.sum(safe_norm(x, axis=1)))(x)
    np.testing.assert_allclose(slopes, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    twice = jax.hessian(lambda x: jnp.sum(safe_norm(x, axis=1)))(x)
    assert np.all(np.isfinite(twice))
    np.testing.assert_allclose(twice[0, :, 0], [[0.128, -0.096], [-0.096, 0.072]], rtol=1e-5)
    assert not np.any(twice[1])


def test_epsilon_stands_where_it_is_put():
    v, eps, c = jnp.asarray(4.0), 0.5, 0.25
    assert float(root_with_eps(v, eps, "outside")) == 2.5
    np.testing.assert_allclose(root_with_eps(v, eps, "inside"), np.sqrt(4.5), rtol=1e-6)
    np.testing.assert_allclose(
        root_with_eps(v, eps, "before_debias", c), (np.sqrt(4 * c) + eps) / np.sqrt(c), rtol=1e-6
    )


@pytest.mark.parametrize(("given", "kept"), [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32")])
def test_wide_has_at_least_32_bits(given, kept):
    assert wide(jnp.ones(2, given)).dtype == kept
