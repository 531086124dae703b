"""Lengths, correlations and gradients through one wide layer, and what they come to: against papers, formulas and networks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc import init, models, theory

# Schoenholz et al. 2017 at sigma_b^2 = 0.05, whose edge is at 1.76: sigma_w^2 -> (q*, chi_1).
TANH = {1.3: (0.3153, 0.8802), 1.76: (0.5695, 0.9998), 2.5: (1.0640, 1.1335), 4.0: (2.1955, 1.3424)}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("weight_variance", TANH)
def test_tanhs_fixed_point_and_gradient_factor_are_the_published_ones(weight_variance):
    q, chi = TANH[weight_variance]
    found = theory.fixed_length("tanh", weight_variance, 0.05)
    assert float(found) == pytest.approx(q, abs=5e-5)
    assert float(theory.length_map("tanh", found, weight_variance, 0.05)) == pytest.approx(float(found), rel=1e-12)
    assert float(theory.chi("tanh", found, weight_variance)) == pytest.approx(chi, abs=5e-5)


@pytest.mark.parametrize("c", [0.0, 0.3, 0.9, 0.999, 1.0])
def test_relus_correlation_map_and_its_slope_are_the_arc_cosine_kernels(c):
    # Cho & Saul 2009, NeurIPS, eq 3, at orders 1 and 0.
    map_ = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi
    exact, of_jumps = (
        (1e-9, 1e-6) if 0.99 < c < 1 else (1e-13, 1e-13)
    )  # within sqrt(1 - c^2) of 0 the inner average bends
    assert float(theory.correlation_map("relu", c, 3.0, 2.0)) == pytest.approx(map_, abs=exact)
    assert float(theory.correlation_slope("relu", c, 3.0, 2.0)) == pytest.approx(
        1 - math.acos(c) / math.pi, abs=of_jumps
    )


def test_the_slope_of_the_correlation_map_is_its_derivative_and_chi_at_its_end():
    q, c = theory.fixed_length("tanh", 2.5, 0.05), 0.4
    slope = jax.grad(lambda c: theory.correlation_map("tanh", c, q, 2.5, 0.05))(c)
    np.testing.assert_allclose(theory.correlation_slope("tanh", c, q, 2.5), slope, rtol=1e-10)
    np.testing.assert_allclose(theory.correlation_slope("tanh", 1.0, q, 2.5), theory.chi("tanh", q, 2.5), rtol=1e-12)


def test_in_order_inputs_become_alike_and_in_chaos_they_part():
    assert float(theory.fixed_correlation("tanh", 1.3, 0.05)) == 1
    c = theory.fixed_correlation("tanh", 2.5, 0.05)
    assert 0 < c < 1
    q = theory.fixed_length("tanh", 2.5, 0.05)
    np.testing.assert_allclose(theory.correlation_map("tanh", c, q, 2.5, 0.05), c, rtol=1e-10)
    apart = theory.correlation_map("tanh", 0.99, q, 2.5, 0.05)
    assert c < apart < 0.99


@pytest.mark.parametrize(
    ("weight_variance", "layers"), [(1.0, 22), (1.3, 47), (1.5, 95), (2.2, 97), (3.0, 54), (4.0, 42)]
)
def test_networks_are_trainable_to_six_times_the_correlations_depth(weight_variance, layers):
    assert float(theory.trainable_depth("tanh", weight_variance, 0.05)) == pytest.approx(layers, abs=0.5)


def test_depth_scales_are_those_of_the_maps_walked_layer_by_layer():
    scales = theory.depth_scales("tanh", 1.5, 0.05)
    q_star = q = theory.fixed_length("tanh", 1.5, 0.05)
    q, c, gaps = q * 1.001, 0.999, []
    for _ in range(8):
        gaps.append((float(q - q_star), 1 - float(c)))
        q, c = theory.length_map("tanh", q, 1.5, 0.05), theory.correlation_map("tanh", c, q_star, 1.5, 0.05)
    lengths, correlations = (np.log(column) for column in zip(*gaps, strict=True))
    # The maps are curved: from a thousandth away the slopes are 1e-3 off.
    np.testing.assert_allclose(-1 / np.diff(lengths), scales.length, rtol=2e-3)
    np.testing.assert_allclose(-1 / np.diff(correlations), scales.correlation, rtol=2e-2)
    np.testing.assert_allclose(scales.gradient, -1 / np.log(theory.chi("tanh", q_star, 1.5)), rtol=1e-12)


def test_lengths_that_die_out_grow_or_stay():
    assert float(theory.fixed_length("relu", 1.0, 0.1)) == pytest.approx(0.2, rel=1e-12)  # sb / (1 - sw / 2)
    assert float(theory.fixed_length("relu", 2.0)) == 1
    assert float(theory.fixed_length("relu", 1.9)) == 0
    assert float(theory.fixed_length("relu", 2.0, 0.1)) == math.inf
    assert float(theory.fixed_length("tanh", 0.9)) == 0
    assert float(theory.fixed_length("tanh", 1.0)) == 0  # as 1 / layers
    assert math.isnan(theory.fixed_correlation("tanh", 0.9))
    assert all(math.isnan(x) for x in theory.depth_scales("relu", 2.0, 0.1))
    with jax.enable_x64(False):
        assert float(theory.fixed_length("relu", 2.0, 0.1)) == math.inf
        assert float(theory.fixed_length("tanh", 1.0)) == 0
        assert float(theory.fixed_length("tanh", 1.3, 0.05)) == pytest.approx(0.31531648, rel=1e-6)


def test_the_fixed_length_is_differentiable_and_maps():
    at = lambda w: theory.fixed_length("tanh", w, 0.05)  # noqa: E731
    quotient = (at(1.3 + 1e-5) - at(1.3 - 1e-5)) / 2e-5
    assert np.isfinite(quotient)
    np.testing.assert_allclose(jax.grad(at)(1.3), quotient, rtol=1e-8)
    np.testing.assert_allclose(jax.vmap(at)(jnp.array([1.3, 2.5])), [at(1.3), at(2.5)], rtol=1e-12)
    bias = jax.grad(lambda b: theory.fixed_length("relu", 1.0, b))(0.1)
    assert float(bias) == pytest.approx(2, rel=1e-9)


def test_a_wide_network_has_the_predicted_lengths_and_gradients():
    width, depth, weight_variance, bias_variance = 400, 16, 2.5, 0.05
    weights, biases = init.variance_scaling(weight_variance**0.5), init.normal(bias_variance**0.5)
    model = models.mlp((width,) * (depth + 1), "tanh", weights, biases)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, width)), jnp.float32)
    push = jnp.asarray(np.random.default_rng(1).standard_normal(width), jnp.float32)
    signals = jax.jit(
        jax.vmap(lambda key: models.layer_signals(model, model.init(key), x, lambda y: jnp.sum(y * push)))
    )(jax.random.split(jax.random.key(0), 64))
    q = float(theory.fixed_length("tanh", weight_variance, bias_variance))
    # One network's mean over these layers strays by 3.8 %, that of 64 by 0.5 %.
    np.testing.assert_allclose(np.mean(signals.pre_activation[:, 8:]), q, rtol=0.015)
    # A layer's logarithm strays by 0.1, those of 64 networks' 10 by 0.004; its mean is lower by half its variance.
    factors = -np.diff(np.log(signals.pre_activation_gradient))[:, 4:-1]
    found = np.mean(factors.mean(0) + factors.var(0) / 2)
    np.testing.assert_allclose(found, np.log(theory.chi("tanh", q, weight_variance)), atol=0.012)


def test_what_is_no_variance_is_refused_by_name():
    for bad in (-0.1, math.nan, math.inf, [1.0], "1"):
        with pytest.raises(ValueError, match="fixed_length needs a finite weight_variance >= 0"):
            theory.fixed_length("tanh", bad)
    with pytest.raises(ValueError, match="chi needs a finite q >= 0"):
        theory.chi("tanh", -1.0, 1.0)
    with pytest.raises(ValueError, match="tanh"):
        gd.theory.length_map("tahn", 1.0, 1.0)
