"""The gradient's noise: against every example's gradient, written out in NumPy."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.instruments._batch_tests import inner_product_test, norm_test, orthogonality_test
from gdfunc.instruments._example_gradients import example_gradient_norms, example_projections
from gdfunc.instruments._noise import noise_scale

EPS = np.finfo(np.float64).eps


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def loss(p, batch):
    x, y = batch
    assert (x.ndim, y.ndim) == (2, 1)  # one example too is a batch
    return jnp.mean((x @ p["w"] + p["b"] - y) ** 2)


def problem(n=10):
    """Parameters, a batch, and its gradients as the rows of a NumPy matrix, in the order b, w."""
    rng = np.random.default_rng(0)
    w, b, x, y = rng.normal(size=4), 0.3, rng.normal(size=(n, 4)), rng.normal(size=n)
    slopes = 2 * (x @ w + b - y)
    params = {"w": jnp.asarray(w), "b": jnp.asarray(b)}
    return params, (jnp.asarray(x), jnp.asarray(y)), slopes[:, None] * np.column_stack([np.ones(n), x])


def tree(g):
    return {"b": jnp.asarray(g[0]), "w": jnp.asarray(g[1:])}


@pytest.mark.parametrize("chunk", [1, 3, 10, 64])
def test_the_norms_are_those_of_each_examples_gradient(chunk):
    params, batch, g = problem()
    norms = jax.jit(lambda p, b: example_gradient_norms(loss, p, b, chunk))(params, batch)
    np.testing.assert_allclose(norms, np.linalg.norm(g, axis=1), rtol=8 * EPS)


def test_the_projections_are_those_of_each_examples_gradient():
    params, batch, g = problem()
    d = np.random.default_rng(1).normal(size=5)
    found = jax.jit(lambda p, b, v: example_projections(loss, p, b, v))(params, batch, tree(d))
    np.testing.assert_allclose(found, g @ d, rtol=1e-13, atol=1e-13)


def test_the_norms_hold_for_a_network_that_is_no_linear_model():
    rng = np.random.default_rng(2)
    params = {"a": jnp.asarray(rng.normal(size=(3, 5))), "b": jnp.asarray(rng.normal(size=(5, 2)))}
    batch = {"x": jnp.asarray(rng.normal(size=(6, 3))), "y": jnp.asarray(rng.normal(size=(6, 2)))}
    net = lambda p, batch: jnp.mean((jnp.tanh(batch["x"] @ p["a"]) @ p["b"] - batch["y"]) ** 2)  # noqa: E731
    expected = []
    for x, y in zip(np.asarray(batch["x"]), np.asarray(batch["y"]), strict=True):  # backpropagation by hand
        h = np.tanh(x @ params["a"])
        out = h @ params["b"] - y
        da = np.outer(x, (1 - h**2) * (params["b"] @ out))
        expected.append(np.sqrt(np.sum(np.outer(h, out) ** 2) + np.sum(da**2)))
    np.testing.assert_allclose(example_gradient_norms(net, params, batch), expected, rtol=1e-13)


def test_the_noise_scale_is_the_covariances_trace_over_the_signal():
    _, _, g = problem()
    mean = g.mean(axis=0)
    found = jax.jit(noise_scale)(jnp.sum(g**2, axis=1), tree(mean))
    trace = np.trace(np.cov(g.T))
    np.testing.assert_allclose(found.trace, trace, rtol=1e-13)
    np.testing.assert_allclose(found.signal, mean @ mean - trace / 10, rtol=1e-12)
    np.testing.assert_allclose(found.scale, trace / (mean @ mean - trace / 10), rtol=1e-12)


def test_trace_and_signal_are_unbiased():
    _, _, g = problem(6)
    each = []
    for rows in itertools.product(range(6), repeat=3):  # every batch of 3 that can be drawn
        batch = g[list(rows)]
        each.append(noise_scale(np.sum(batch**2, axis=1), tree(batch.mean(axis=0)))[:2])
    trace, signal = np.mean(each, axis=0)
    np.testing.assert_allclose(trace, np.trace(np.cov(g.T, bias=True)), rtol=1e-12)
    np.testing.assert_allclose(signal, np.sum(g.mean(axis=0) ** 2), rtol=1e-12)


def test_the_three_tests_are_the_standard_errors_that_their_formulas_say():
    params, batch, g = problem()
    mean, n = g.mean(axis=0), 10
    along = g @ mean / (mean @ mean)
    squares, projections = example_gradient_norms(loss, params, batch) ** 2, g @ mean
    gradient = jax.grad(loss)(params, batch)
    norm, inner, across = (
        norm_test(squares, gradient),
        inner_product_test(projections, gradient),
        orthogonality_test(squares, projections, gradient),
    )
    length = np.linalg.norm(mean)
    np.testing.assert_allclose(norm, np.sqrt(np.trace(np.cov(g.T)) / n) / length, rtol=1e-12)
    np.testing.assert_allclose(inner, np.std(g @ mean, ddof=1) / np.sqrt(n) / length**2, rtol=1e-12)
    rest = g - along[:, None] * mean
    np.testing.assert_allclose(across, np.sqrt(np.sum(rest**2) / (n * (n - 1))) / length, rtol=1e-12)
    np.testing.assert_allclose(norm**2, inner**2 + across**2, rtol=1e-12)


def test_examples_that_agree_have_no_noise():
    g = np.tile([[0.1, 0.3, -0.7]], (7, 1))
    squares, projections, gradient = np.sum(g**2, axis=1), g @ g[0], tree(g[0])
    found = noise_scale(squares, gradient)
    np.testing.assert_allclose(found.signal, squares[0], rtol=8 * EPS)
    for value in (found.trace, found.scale, inner_product_test(projections, gradient)):
        np.testing.assert_allclose(value, 0, atol=8 * EPS)
    # The root of what rounding leaves of a difference.
    for value in (norm_test(squares, gradient), orthogonality_test(squares, projections, gradient)):
        np.testing.assert_allclose(value, 0, atol=np.sqrt(8 * EPS))


def test_rounding_makes_no_variance_negative():
    for seed in range(50):
        g = np.tile(np.random.default_rng(seed).normal(size=(1, 3)), (3, 1))
        squares, projections, gradient = np.sum(g**2, axis=1), g @ g[0], tree(g.mean(axis=0))
        assert noise_scale(squares, gradient).trace >= 0
        assert norm_test(squares, gradient) >= 0
        assert orthogonality_test(squares, projections, gradient) >= 0


def test_where_noise_hides_the_signal_the_scale_is_infinite():
    g = np.array([[1.0, 0.0], [-1.0, 0.1]])
    found = noise_scale(np.sum(g**2, axis=1), tree(g.mean(axis=0)))
    assert found.signal < 0
    assert found.scale == np.inf
    balanced = noise_scale(jnp.ones(2), tree(np.zeros(2)))
    assert balanced.scale == np.inf
    assert norm_test(jnp.ones(2), tree(np.zeros(2))) == np.inf


def test_zero_gradients_have_neither_scale_nor_tests():
    zeros, gradient = jnp.zeros(4), tree(np.zeros(3))
    found = noise_scale(zeros, gradient)
    assert (found.trace, found.signal) == (0, 0)
    for value in (
        found.scale,
        norm_test(zeros, gradient),
        inner_product_test(zeros, gradient),
        orthogonality_test(zeros, zeros, gradient),
    ):
        assert jnp.isnan(value)


def test_a_nan_in_one_example_is_seen():
    params, (x, y), _ = problem()
    batch = (x.at[3].set(jnp.nan), y)
    norms = example_gradient_norms(loss, params, batch)
    np.testing.assert_array_equal(jnp.isnan(norms), np.arange(10) == 3)
    gradient = jax.grad(loss)(params, batch)
    projections = example_projections(loss, params, batch, gradient)
    for value in (
        *noise_scale(norms**2, gradient),
        norm_test(norms**2, gradient),
        inner_product_test(projections, gradient),
        orthogonality_test(norms**2, projections, gradient),
    ):
        assert jnp.isnan(value)


def test_many_models_at_once_are_each_as_alone():
    params, batch, _ = problem()
    many = jax.tree.map(lambda p: jnp.stack([p, 2 * p]), params)

    def everything(p):
        gradient = jax.grad(loss)(p, batch)
        squares = example_gradient_norms(loss, p, batch, 4) ** 2
        projections = example_projections(loss, p, batch, gradient)
        return (
            *noise_scale(squares, gradient),
            norm_test(squares, gradient),
            inner_product_test(projections, gradient),
            orthogonality_test(squares, projections, gradient),
        )

    together = jax.jit(jax.vmap(everything))(many)
    for i in range(2):
        alone = everything(jax.tree.map(lambda p, i=i: p[i], many))
        np.testing.assert_allclose([value[i] for value in together], alone, rtol=1e-12)


P, G = {"w": jnp.ones(4), "b": jnp.zeros(())}, {"w": jnp.ones(4)}
ONE = "needs one number for each of at least 2 examples, and was given shape (1,)"
WRONG = [
    (lambda: noise_scale(jnp.ones(1), G), f"noise_scale {ONE}"),
    (lambda: norm_test(jnp.ones(1), G), f"norm_test {ONE}"),
    (lambda: inner_product_test(jnp.ones(1), G), f"inner_product_test {ONE}"),
    (lambda: orthogonality_test(jnp.ones(1), jnp.ones(1), G), f"orthogonality_test {ONE}"),
    (lambda: orthogonality_test(jnp.ones(3), jnp.ones(2), G), "needs one projection for each of 3 norms"),
    (lambda: noise_scale(jnp.ones(()), G), "noise_scale needs one number for each of at least 2 examples"),
    (lambda: example_gradient_norms(loss, {}, ()), "example_gradient_norms needs at least one array among"),
    (lambda: example_gradient_norms(loss, P, ()), "example_gradient_norms needs a batch with at least one array"),
    (
        lambda: example_gradient_norms(loss, P, (jnp.ones((3, 4)), jnp.ones(2))),
        "needs one leading axis of examples on every leaf of the batch, and was given shape (2,) at '1' beside (3, 4) at '0'",
    ),
    (lambda: example_projections(loss, P, (jnp.ones((0, 4)), jnp.ones(0)), P), "was given shape (0, 4) at '0'"),
    (
        lambda: example_projections(loss, P, (jnp.ones((3, 4)), jnp.ones(3)), G),
        "example_projections needs params and direction alike, and 'b' is in params but not in direction",
    ),
    (lambda: example_gradient_norms(loss, P, (jnp.ones((3, 4)), jnp.ones(3)), 0), "needs chunk >= 1"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
