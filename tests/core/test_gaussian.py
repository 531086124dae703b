"""Averages over normal numbers: against closed forms, adaptive quadrature and their own derivatives."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.stats import norm

from gdfunc import core
from gdfunc.core import gaussian_mean, gaussian_pair_mean, slope_of


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("variance", [1e-6, 0.3, 1.0, 20.0, 1e3])
@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "sigmoid", "silu", "relu"])
def test_squares_of_activations_and_of_their_slopes_are_those_of_adaptive_quadrature(name, variance):
    phi = core.activation(name)
    far = 9 * variance**0.5
    ends = [-far, *[x for x in (-5, 0, 5) if abs(x) < far], far]
    for f in (phi, slope_of(phi)):
        density = lambda u, f=jax.jit(f): float(f(u)) ** 2 * norm.pdf(u, scale=variance**0.5)  # noqa: E731
        parts = [quad(density, a, b, epsabs=0, epsrel=1e-11, limit=200)[0] for a, b in itertools.pairwise(ends)]
        np.testing.assert_allclose(gaussian_mean(lambda z, f=f: f(z) ** 2, variance), sum(parts), rtol=1e-9)


def test_moments_kinks_and_jumps_are_exact():
    np.testing.assert_allclose(gaussian_mean(lambda u: u**6, 2.0), 15 * 8, rtol=1e-12)
    np.testing.assert_allclose(gaussian_mean(lambda u: u**2, 2.0, mean=3.0), 11, rtol=1e-13)
    inside = norm.cdf(1 / 2**0.5) - norm.cdf(-1 / 2**0.5)
    np.testing.assert_allclose(gaussian_mean(slope_of(lambda u: jnp.clip(u, -1, 1)), 2.0), inside, rtol=1e-12)
    assert gaussian_mean(jnp.cos, 0.0) == 1
    assert gaussian_mean(jnp.cos, 1.0) == pytest.approx(math.exp(-0.5), rel=1e-13)
    assert gaussian_mean(jnp.cos, jnp.float32(1.0)).dtype == jnp.float32


def test_the_derivatives_are_steins():
    # d/dv E f = E f'' / 2, and d/dmu E f = E f'.
    second = slope_of(slope_of(jnp.tanh))
    squared = lambda z: jnp.tanh(z) ** 2  # noqa: E731
    curved = lambda z: 2 * slope_of(jnp.tanh)(z) ** 2 + 2 * jnp.tanh(z) * second(z)  # noqa: E731
    np.testing.assert_allclose(
        jax.grad(lambda v: gaussian_mean(squared, v))(0.7), gaussian_mean(curved, 0.7) / 2, rtol=1e-11
    )
    np.testing.assert_allclose(
        jax.grad(lambda mu: gaussian_mean(jnp.tanh, 0.7, mu))(0.2),
        gaussian_mean(slope_of(jnp.tanh), 0.7, 0.2),
        rtol=1e-11,
    )
    # A kink moves with the spread: E relu = sqrt(v / 2 pi).
    np.testing.assert_allclose(
        jax.grad(lambda v: gaussian_mean(core.relu, v))(0.7), 0.5 / math.sqrt(2 * math.pi * 0.7), rtol=1e-11
    )


@pytest.mark.parametrize("c", [-1.0, -0.6, 0.0, 0.9, 1.0])
def test_products_at_correlated_numbers_are_the_kernels(c):
    relu = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)  # Cho & Saul 2009
    np.testing.assert_allclose(gaussian_pair_mean(core.relu, (2.0, 3.0), c), math.sqrt(6) * relu, atol=1e-13)
    sine = math.exp(-1) * math.sinh(c) if c else 0.0
    np.testing.assert_allclose(gaussian_pair_mean(jnp.sin, (1.0, 1.0), c), sine, atol=1e-13)


def test_a_product_is_that_of_adaptive_quadrature():
    c = 0.5

    def density(y, x):
        joint = math.exp(-(x * x - 2 * c * x * y + y * y) / (2 * (1 - c * c))) / (2 * math.pi * math.sqrt(1 - c * c))
        return math.tanh(x) * math.tanh(y) * joint

    expected = dblquad(density, -8, 8, -8, 8, epsabs=1e-9)[0]
    np.testing.assert_allclose(gaussian_pair_mean(jnp.tanh, (1.0, 1.0), c), expected, atol=1e-8)
    assert gaussian_pair_mean(jnp.tanh, (0.0, 1.0), c) == 0
