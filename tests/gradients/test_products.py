"""Products with derivatives: against dense matrices and closed forms, in float64."""

import re
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from gdfunc.gradients import (
    directional_derivatives,
    empirical_fisher_vector_product,
    gauss_newton_vector_product,
    hessian_block,
    hessian_vector_product,
    jacobian_vector_product,
    per_example_gradients,
    vector_jacobian_product,
)

RNG = np.random.default_rng(0)
PARAMS = {"a": RNG.normal(size=(3, 4)), "b": [RNG.normal(size=(4, 2)), np.zeros(2)]}
BATCH = RNG.normal(size=(8, 3)), RNG.normal(size=(8, 2))
V = jax.tree.map(lambda p: RNG.normal(size=p.shape), PARAMS)
W, LABELS = RNG.normal(size=(3, 4)), np.arange(8) % 4


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def model(p, batch):
    return jnp.tanh(batch[0] @ p["a"]) @ p["b"][0] + p["b"][1]


def squares(z, batch):
    return jnp.mean((z - batch[1]) ** 2)


def loss(p, batch):
    return squares(model(p, batch), batch)


def cross_entropy(z, batch):
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - z[jnp.arange(8), LABELS])


def linear_loss(w, batch):
    return cross_entropy(batch[0] @ w, batch)


def flat(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


@cache
def dense():
    """The network's Jacobian (16, 22) and the loss's Hessian (22, 22), by the order of `ravel_pytree`."""
    q, unravel = ravel_pytree(PARAMS)
    matrices = lambda q: (  # noqa: E731
        jax.jacobian(lambda q: model(unravel(q), BATCH))(q).reshape(16, -1),
        jax.hessian(lambda q: loss(unravel(q), BATCH))(q),
    )
    return tuple(map(np.asarray, jax.jit(matrices)(q)))


def softmax_curvature():
    """The Hessian of `linear_loss`: the mean of x x^T times (diag(s) - s s^T), by the order of W's entries."""
    x = BATCH[0]
    s = np.exp(x @ W)
    s /= s.sum(axis=1, keepdims=True)
    inner = s[:, :, None] * np.eye(4) - s[:, :, None] * s[:, None, :]
    return np.einsum("ni,nj,nab->iajb", x, x, inner).reshape(12, 12) / 8


def test_the_hessians_product_is_that_of_the_dense_hessian():
    found = jax.jit(hessian_vector_product, static_argnums=0)(loss, PARAMS, V, BATCH)
    np.testing.assert_allclose(flat(found), dense()[1] @ flat(V), rtol=1e-12, atol=1e-12)


def test_the_hessians_product_for_cross_entropy_is_that_of_the_softmaxs_covariance():
    v = RNG.normal(size=W.shape)
    found = jax.jit(hessian_vector_product, static_argnums=0)(linear_loss, W, v, BATCH)
    np.testing.assert_allclose(np.ravel(found), softmax_curvature() @ np.ravel(v), rtol=1e-12, atol=1e-14)


def test_the_jacobians_products_are_those_of_the_dense_jacobian():
    J, u = dense()[0], RNG.normal(size=(8, 2))
    forward = jacobian_vector_product(model, PARAMS, V, BATCH)
    backward = vector_jacobian_product(model, PARAMS, u, BATCH)
    np.testing.assert_allclose(np.ravel(forward), J @ flat(V), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(flat(backward), J.T @ np.ravel(u), rtol=1e-12, atol=1e-13)


def test_the_gauss_newton_product_is_that_of_jacobian_loss_curvature_and_jacobian():
    J = dense()[0]
    G = J.T @ (2 / 16 * J)  # the mean of 16 squares
    found = flat(jax.jit(gauss_newton_vector_product, static_argnums=(0, 1))(model, squares, PARAMS, V, BATCH))
    np.testing.assert_allclose(found, G @ flat(V), rtol=1e-12, atol=1e-13)
    assert np.linalg.norm(found - dense()[1] @ flat(V)) > 0.1 * np.linalg.norm(found)  # the network itself is curved


def test_for_a_linear_model_the_gauss_newton_product_is_the_hessians():
    v = RNG.normal(size=W.shape)
    product = jax.jit(gauss_newton_vector_product, static_argnums=(0, 1))
    found = product(lambda w, batch: batch[0] @ w, cross_entropy, W, v, BATCH)
    np.testing.assert_allclose(np.ravel(found), softmax_curvature() @ np.ravel(v), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("chunk", [None, 3])
def test_the_examples_gradients_are_those_of_least_squares_one_by_one(chunk):
    (x, y), w = BATCH, RNG.normal(size=(3, 2))
    found = per_example_gradients(lambda w, batch: jnp.mean((batch[0] @ w - batch[1]) ** 2), w, BATCH, chunk)
    np.testing.assert_allclose(found, np.einsum("ni,nk->nik", x, x @ w - y), rtol=1e-12, strict=True)


def test_the_empirical_fisher_is_the_mean_outer_product_of_the_examples_gradients():
    each = jax.jit(jax.vmap(lambda x, y: jax.grad(loss)(PARAMS, (x[None], y[None]))))(*BATCH)
    g = np.concatenate([np.reshape(x, (8, -1)) for x in jax.tree.leaves(each)], axis=1)
    found = jax.jit(empirical_fisher_vector_product, static_argnums=0)(loss, PARAMS, V, BATCH)
    np.testing.assert_allclose(flat(found), g.T @ (g @ flat(V)) / 8, rtol=1e-12, atol=1e-13)


def test_a_block_of_the_hessian_is_cut_from_the_dense_one():
    H = dense()[1]  # a: 12 entries, b/0: 8, b/1: 2
    block = lambda *leaf, **to: hessian_block(loss, PARAMS, *leaf, BATCH, **to)  # noqa: E731
    own, mixed = jax.jit(lambda: (block("b/0"), block("a", columns="b/1")))()
    np.testing.assert_allclose(own, H[12:20, 12:20], atol=1e-13, strict=True)
    np.testing.assert_allclose(mixed, H[:12, 20:], atol=1e-13, strict=True)


def test_derivatives_along_a_direction_are_the_powers_of_an_exponential():
    p, v = {"x": np.array([0.3, -0.2]), "y": np.array(0.5)}, {"x": np.array([1.0, 2.0]), "y": np.array(-0.5)}
    f = lambda p, scale: jnp.exp(scale * (p["x"][0] + p["x"][1] + p["y"]))  # noqa: E731
    found = directional_derivatives(f, p, v, 1.5)
    slope = 1.5 * (1 + 2 - 0.5)
    np.testing.assert_allclose(found, np.exp(1.5 * 0.6) * slope ** np.arange(5), rtol=1e-14, strict=True)


def test_the_second_derivative_along_a_direction_is_the_hessians_quadratic_form():
    found = directional_derivatives(loss, PARAMS, V, BATCH, order=2)
    v = flat(V)
    np.testing.assert_allclose(found[2], v @ dense()[1] @ v, rtol=1e-12)
    np.testing.assert_allclose(found[1], v @ flat(jax.grad(loss)(PARAMS, BATCH)), rtol=1e-12)


def test_a_direction_in_another_precision_is_cast():
    v = jax.tree.map(lambda x: x.astype(np.float32), V)
    found = hessian_vector_product(loss, PARAMS, v, BATCH)
    assert all(x.dtype == jnp.float64 for x in jax.tree.leaves(found))
    np.testing.assert_allclose(flat(found), dense()[1] @ flat(v), rtol=1e-12, atol=1e-12)


P, TOTAL = np.ones(3), lambda p: jnp.sum(p**2)
SHORT = "needs params and v of one shape, and at '(the tree itself)' was given (3,) and (2,)"
WRONG = [
    (lambda: hessian_vector_product(TOTAL, {}, {}), "hessian_vector_product needs at least one array"),
    (lambda: hessian_vector_product(TOTAL, P, np.ones(2)), f"hessian_vector_product {SHORT}"),
    (lambda: hessian_vector_product(lambda p: p, P, P), "to return a real floating-point scalar of shape (), and it"),
    (lambda: hessian_vector_product(lambda p: (jnp.sum(p), 0), P, P), "of (loss, aux) it takes the loss alone"),
    (lambda: jacobian_vector_product(TOTAL, P, np.ones(2)), f"jacobian_vector_product {SHORT}"),
    (
        lambda: vector_jacobian_product(lambda p: {"z": p}, P, {"y": P}),
        "vector_jacobian_product needs outputs and u alike, and 'z' is in outputs but not in u",
    ),
    (lambda: gauss_newton_vector_product(TOTAL, TOTAL, P, np.ones(2)), f"gauss_newton_vector_product {SHORT}"),
    (
        lambda: gauss_newton_vector_product(lambda p: p, lambda z: z, P, P),
        "gauss_newton_vector_product needs f to return a real floating-point scalar",
    ),
    (lambda: per_example_gradients(loss, PARAMS, BATCH, 0), "per_example_gradients needs chunk >= 1"),
    (
        lambda: per_example_gradients(loss, PARAMS, (np.ones((3, 3)), np.ones(2))),
        "per_example_gradients needs one leading axis of examples on every leaf of the batch, and was given shape (2,)",
    ),
    (
        lambda: empirical_fisher_vector_product(loss, PARAMS, V, ()),
        "empirical_fisher_vector_product needs a batch with at least one array",
    ),
    (lambda: hessian_block(loss, PARAMS, "b/00", BATCH), "hessian_block knows no 'b/00'. Did you mean 'b/0'"),
    (lambda: directional_derivatives(TOTAL, P, P, order=0), "directional_derivatives needs order >= 1"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
