"""Ranks, cosines and singular values: against NumPy and matrices whose answers are known."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.instruments._rank import effective_rank, jacobian_singular_values, mean_pairwise_cosine

EPS = np.finfo(np.float64).eps


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def activations(seed=0, shape=(7, 4)):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_k_equal_singular_values_have_effective_rank_k(k):
    Q = np.linalg.qr(activations(shape=(8, 8)))[0]
    a = Q @ np.diag([3.0] * k + [0.0] * (8 - k)) @ Q.T
    np.testing.assert_allclose(jax.jit(effective_rank)(a), k, rtol=1e-12)


def test_a_singular_value_of_exactly_zero_counts_for_nothing():
    assert effective_rank(jnp.zeros((3, 3)).at[1, 1].set(5.0)) == 1


@pytest.mark.parametrize("shape", [(7, 4), (4, 7)])
def test_the_effective_rank_is_the_exponential_of_the_singular_values_entropy(shape):
    a = activations(shape=shape)
    sigma = np.sqrt(np.linalg.eigvalsh(a @ a.T if shape[0] < shape[1] else a.T @ a))
    p = sigma / sigma.sum()
    found = effective_rank(jnp.asarray(a))
    np.testing.assert_allclose(found, np.exp(-np.sum(p * np.log(p))), rtol=1e-12)
    np.testing.assert_allclose(effective_rank(1e-3 * jnp.asarray(a)), found, rtol=1e-12)
    assert 1 < found < 4


def test_the_mean_cosine_is_that_over_all_pairs():
    a = activations()
    a[2] = 0  # a dead row has no direction
    pairs = [
        x @ y / np.linalg.norm(x) / np.linalg.norm(y) for i, x in enumerate(a) for y in a[:i] if x.any() and y.any()
    ]
    np.testing.assert_allclose(jax.jit(mean_pairwise_cosine)(a), np.mean(pairs), rtol=1e-12)
    assert len(pairs) == 15


def test_parallel_rows_have_cosine_1_and_an_orthogonal_set_0():
    rows = np.outer([1.0, 20.0, 0.3], activations()[0])
    np.testing.assert_allclose(mean_pairwise_cosine(jnp.asarray(rows)), 1, rtol=8 * EPS)
    np.testing.assert_allclose(mean_pairwise_cosine(jnp.eye(5)), 0, atol=8 * EPS)


def test_without_direction_there_is_no_rank_and_no_cosine():
    assert jnp.isnan(effective_rank(jnp.zeros((3, 2))))
    assert jnp.isnan(mean_pairwise_cosine(jnp.zeros((3, 2))))
    assert jnp.isnan(mean_pairwise_cosine(jnp.asarray([[1.0, 2.0], [0.0, 0.0]])))
    assert jnp.isnan(mean_pairwise_cosine(jnp.ones((1, 2))))


def test_a_nan_is_seen():
    a = jnp.asarray(activations()).at[3, 1].set(jnp.nan)
    assert jnp.isnan(effective_rank(a))
    assert jnp.isnan(mean_pairwise_cosine(a))
    assert np.all(np.isnan(jacobian_singular_values(jnp.tanh, a[3])))


@pytest.mark.parametrize("shape", [(3, 6), (6, 3)], ids=["widening", "narrowing"])
def test_the_jacobians_singular_values_are_those_of_its_matrix(shape):
    W, x = activations(shape=shape), activations(1, shape[:1])
    found = jax.jit(lambda x: jacobian_singular_values(lambda x: jnp.tanh(x @ W), x))(jnp.asarray(x))
    J = (W * (1 - np.tanh(x @ W) ** 2)).T
    np.testing.assert_allclose(found, np.linalg.svd(J, compute_uv=False), rtol=1e-12)
    assert found.shape == (3,)


def test_a_map_of_any_shapes_that_keeps_lengths_has_singular_values_of_1():
    Q = np.linalg.qr(activations(shape=(6, 6)))[0]
    found = jacobian_singular_values(lambda x: (Q @ x.ravel()).reshape(3, 2), jnp.ones((2, 3)))
    np.testing.assert_allclose(found, np.ones(6), rtol=1e-12)


def test_many_at_once_are_each_as_alone():
    a = jnp.asarray(activations(shape=(3, 7, 4)))
    W = activations(shape=(4, 2))
    stretch = lambda x: jacobian_singular_values(lambda x: jnp.tanh(x @ W), x[0])  # noqa: E731
    for f in (effective_rank, mean_pairwise_cosine, stretch):
        np.testing.assert_allclose(jax.jit(jax.vmap(f))(a), jnp.stack([f(x) for x in a]), rtol=1e-12)


def test_half_precision_is_measured_in_single():
    a = jnp.asarray(activations(), jnp.bfloat16)
    exact = np.asarray(a, np.float64)
    for f in (effective_rank, mean_pairwise_cosine):
        assert f(a).dtype == jnp.float32
        np.testing.assert_allclose(f(a), f(jnp.asarray(exact)), rtol=1e-5)


WRONG = [
    (
        lambda: effective_rank(jnp.ones((2, 3, 4))),
        "effective_rank needs (examples, units), and was given shape (2, 3, 4)",
    ),
    (
        lambda: mean_pairwise_cosine(jnp.ones(3)),
        "mean_pairwise_cosine needs (examples, units), and was given shape (3,)",
    ),
    (lambda: jacobian_singular_values(lambda x: (x, x), jnp.ones(2)), "needs f to return one array, and it returned ("),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
