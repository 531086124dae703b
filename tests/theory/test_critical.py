"""The edge between order and chaos, for any activation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from gdfunc import core, init, theory

# Schoenholz et al. 2017: 1.76 at 0.05. The others by a root finder of their own over the same integrals.
TANH = {0.0: 1.0, 0.01: 1.4242, 0.02: 1.5442, 0.05: 1.7610, 0.1: 1.9861, 0.3: 2.5051}


@pytest.mark.parametrize("bias_variance", TANH)
def test_tanhs_critical_weights_are_the_published_ones(bias_variance):
    assert init.critical_point("tanh", bias_variance).weight_variance == pytest.approx(TANH[bias_variance], abs=5e-5)


def elu(x):
    return jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0)))


def sine(x):
    return jnp.sin(x) + x / 2


# (sigma_w at sigma_b = 0.2, at 0.1), by SciPy's adaptive quadrature and root finder; to 4 digits as Hayou et al. 2019 print theirs.
ROOTS = {"gelu": (1.5470, 1.7271), "selu": (0.9375, 0.8719), elu: (1.2293, 1.1761)}


@pytest.mark.parametrize("activation", ROOTS)
def test_activations_with_and_without_a_kink_have_the_roots_of_adaptive_quadrature(activation):
    found = [init.critical_point(activation, b * b).weight_variance ** 0.5 for b in (0.2, 0.1)]
    np.testing.assert_allclose(found, ROOTS[activation], atol=5.1e-5)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu", "selu", "sigmoid", elu, sine])
def test_at_the_critical_point_the_length_stays_and_gradients_pass_unchanged(activation):
    point = init.critical_point(activation, 0.05)
    with jax.enable_x64(True):
        phi, slope = core.activation(activation), core.slope_of(core.activation(activation))
        mean = lambda f: sum(  # noqa: E731
            quad(lambda z: float(f(jnp.float64(point.q**0.5 * z))) * np.exp(-z * z / 2) / (2 * np.pi) ** 0.5, *half)[0]
            for half in ((-10, 0), (0, 10))
        )
        assert point.weight_variance * mean(lambda z: slope(z) ** 2) == pytest.approx(1, rel=1e-8)
        length = point.weight_variance * mean(lambda z: phi(z) ** 2) + point.bias_variance
        assert length == pytest.approx(point.q, rel=1e-8)


def test_rectifiers_have_hes_weights_at_any_length():
    assert init.critical_point("relu") == pytest.approx((2, 0, 1), rel=1e-12)
    slope = 0.01
    assert init.critical_point("leaky_relu").weight_variance == pytest.approx(2 / (1 + slope**2), rel=1e-12)
    assert init.critical_point("identity") == pytest.approx((1, 0, 1), rel=1e-12)
    assert init.critical_point("tanh") == (1, 0, 0)


def test_where_there_is_no_critical_point_that_is_said():
    with pytest.raises(ValueError, match=r"critical_point needs a bias_variance of 0 for 'relu', and was given 0\.1"):
        init.critical("relu", 0.1)
    with pytest.raises(ValueError, match="critical_point needs 0 <= bias_variance"):
        init.critical("tanh", -0.1)
    with pytest.raises(ValueError, match="finite moments and a slope"):
        init.critical(jnp.zeros_like)


def test_a_function_of_ones_own_in_three_lines():
    point = theory.critical_point(sine, bias_variance=0.05)
    w = init.critical(sine, bias_variance=0.05)(jax.random.key(0), (400, 1000))
    assert float(jnp.var(w)) == pytest.approx(point.weight_variance / 400, rel=0.01)
    assert float(theory.chi(sine, point.q, point.weight_variance)) == pytest.approx(1, rel=1e-5)
