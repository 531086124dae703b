"""Batch normalisation, residual branches, dropout, isometry, deep linear networks: against papers, and against networks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import theory
from gdfunc.core import gaussian_pair_mean


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("batch", "growth"), [(8, 1.7882), (32, 1.5220), (128, 1.4797)])
def test_batch_norms_growth_is_the_published_one(batch, growth):
    assert theory.batch_norm_gradient_growth(batch) == pytest.approx(growth, abs=5e-5)


def test_batch_norms_growth_in_large_batches_and_in_linear_networks():
    assert theory.batch_norm_gradient_growth(10**7) == pytest.approx(math.pi / (math.pi - 1), rel=1e-6)
    assert theory.batch_norm_gradient_growth(8, "identity") == pytest.approx(1.2)


def test_a_network_with_batch_norm_has_that_growth():
    batch, n, depth = 8, 256, 12
    weights = jnp.asarray(normal(0, 4, depth, n, n), float) / n**0.5

    def loss(shifts, weights):
        x = jnp.asarray(normal(1, batch, n), float)

        def layer(x, of):
            z = x @ of[0] + of[1]
            return jax.nn.relu((z - z.mean(0)) / z.std(0)), None

        return jnp.sum(jax.lax.scan(layer, x, (weights, shifts))[0] * jnp.asarray(normal(5, batch, n), float))

    g = jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(jnp.zeros((depth, batch, n)), weights)
    logs = jnp.mean(jnp.log(jnp.sum(g**2, axis=(2, 3))), axis=0)
    growth = jnp.exp((logs[1] - logs[-2]) / (depth - 3))
    # Four networks of width 256, whose own factors differ by some per cent.
    assert float(growth) == pytest.approx(theory.batch_norm_gradient_growth(batch), rel=0.03)


def test_residual_blocks_double_reluss_signal_and_with_scaled_branches_it_grows_to_e():
    q = 1.0
    for _ in range(4):
        q = theory.residual_length_map("relu", q, 2.0)
    assert float(q) == pytest.approx(16)
    assert float(theory.residual_chi("relu", 3.0, 2.0)) == pytest.approx(2)
    q = 1.0
    for _ in range(32):
        q = theory.residual_length_map("relu", q, 2.0, branch_scale=32**-0.5)
    assert float(q) == pytest.approx((1 + 1 / 32) ** 32)


def test_tanh_blocks_grow_linearly_and_their_gradient_like_the_exponential_of_a_root():
    def block(q, _):
        return theory.residual_length_map("tanh", q, 1.0), jnp.log(theory.residual_chi("tanh", q, 1.0))

    q, logs = jax.jit(lambda q: jax.lax.scan(block, q, length=4000))(jnp.ones(()))
    # L less the sum of E (1 - tanh^2) = 2 / sqrt(2 pi q).
    assert float(q) / 4000 == pytest.approx(1 - 4 / math.sqrt(2 * math.pi * 4000), abs=1e-3)
    total = jnp.cumsum(logs)
    exponent = jnp.log(total[-1] / total[999]) / math.log(4)
    assert float(exponent) == pytest.approx(0.5, abs=0.01)
    # Derived in the papers' limit: 8 / (3 sqrt(2 pi)); the next term, 0.28 log L, is 3.5 % of it at 4000.
    assert float(total[-1]) / 4000**0.5 == pytest.approx(8 / (3 * math.sqrt(2 * math.pi)), rel=0.03)


def test_dropout_keeps_two_passes_of_one_input_apart_at_any_depth():
    weights, biases = 1.7610, 0.05
    for keep in (0.9, 0.99):
        q = theory.fixed_length("tanh", weights / keep, biases)
        c = float(theory.dropout_correlation("tanh", q, weights, biases, keep))
        assert 0 < c < 1 - (1 - keep) / 2
        apart = theory.dropout_correlation(
            "tanh", 2 * q, weights, biases, keep
        )  # of another length than the layers keep
        both = weights * gaussian_pair_mean(jnp.tanh, (2 * q, 2 * q), apart) + biases
        assert float(both / theory.length_map("tanh", 2 * q, weights / keep, biases)) == pytest.approx(float(apart))
        # The fixed point of the network's own recursion.
        seen = 0.3
        for _ in range(300):
            seen = float(theory.correlation_map("tanh", seen, q, weights, biases))
            seen *= float(theory.length_map("tanh", q, weights, biases) / q)
        assert c == pytest.approx(seen, abs=1e-6)
    q = theory.fixed_length("tanh", 1.3, biases)
    assert float(theory.dropout_correlation("tanh", q, 1.3, biases, 1.0)) == pytest.approx(1)


@pytest.mark.parametrize(("orthogonal", "spread"), [(False, 16.0), (True, 8.0)])
def test_relus_jacobian_is_no_isometry(orthogonal, spread):
    found = theory.jacobian_spectrum("relu", 1.0, 2.0, 8, orthogonal)
    assert float(found.mean) == pytest.approx(1)
    assert float(found.variance) == pytest.approx(spread)


def test_tanhs_with_orthogonal_weights_nearly_is_as_networks_show():
    q, depth, n = 1 / 64, 16, 200
    slopes = theory.chi("tanh", q, 1.0)
    found = theory.jacobian_spectrum("tanh", q, 1 / slopes, depth, orthogonal=True)
    assert float(theory.jacobian_spectrum("tanh", q, 1 / slopes, 64, orthogonal=True).variance) == pytest.approx(
        0.10812, abs=1e-5
    )
    biases = q - float(theory.length_map("tanh", q, 1 / slopes))
    seen = []
    for net in range(4):
        draws = np.asarray(normal(net, depth, n, n), np.float64)
        shifts = np.asarray(normal(10 + net, depth, n)) * biases**0.5
        h = np.asarray(normal(20 + net, n), np.float64)
        h, jacobian = h / np.sqrt(np.mean(h**2)) * q**0.5, np.eye(n)
        for draw, shift in zip(draws, shifts, strict=True):
            turn, triangle = np.linalg.qr(draw)
            w = turn * np.sign(np.diag(triangle)) / np.sqrt(slopes)
            jacobian = w @ ((1 - np.tanh(h) ** 2)[:, None] * jacobian)
            h = w @ np.tanh(h) + shift
        seen.append(np.linalg.svd(jacobian, compute_uv=False) ** 2)
    seen = np.concatenate(seen)
    assert np.var(seen) / np.mean(seen) ** 2 == pytest.approx(float(found.variance), rel=0.1)  # of 800 numbers


def test_saxes_curves_are_those_of_a_linear_network():
    start, rate, steps = 1e-3, 1e-3, 4000
    strengths = jnp.array([4.0, 3.0, 2.0, 1.0])

    def loss(params):
        return jnp.sum((jnp.diag(strengths) - params[0] @ params[1]) ** 2) / 2

    def step(params, _):
        return jax.tree.map(lambda p, g: p - rate * g, params, jax.grad(loss)(params)), jnp.diag(params[0] @ params[1])

    both = (jnp.eye(4) * start**0.5,) * 2
    seen = jax.jit(lambda p: jax.lax.scan(step, p, length=steps)[1])(both)
    time = rate * jnp.arange(steps)[:, None]
    # Steps of eta grow by s eta / 2 slower than the flow: 0.002 of the time of 1.04, at a slope of at most s^2 / 2 = 8.
    np.testing.assert_allclose(theory.learning_curve(time, strengths, start), seen, atol=0.005 * 4)
    halves = theory.half_time(strengths, start)
    np.testing.assert_allclose(halves, [1.0367, 1.3343, 1.9001, 3.4534], atol=5e-5)
    np.testing.assert_allclose(theory.learning_curve(halves, strengths, start), strengths / 2, rtol=1e-12)
    assert float(theory.learning_curve(1e6, 4.0, start)) == 4  # nothing overflows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: theory.batch_norm_gradient_growth(3), "batch > 3"),
        (lambda: theory.batch_norm_gradient_growth(8, "tanh"), "needs 'relu' or 'identity'"),
        (lambda: theory.dropout_correlation("tanh", 1.0, 1.0, 0.0, 0.0), "keep > 0"),
        (lambda: theory.jacobian_spectrum("tanh", 1.0, 1.0, 0), "depth >= 1"),
        (lambda: theory.learning_curve(1.0, -1.0, 0.1), "strength > 0"),
        (lambda: theory.half_time(1.0, 2.0), "start / strength"),
        (lambda: theory.residual_length_map("relu", -1.0, 2.0), "q >= 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
