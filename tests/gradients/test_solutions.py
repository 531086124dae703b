"""Derivatives of solutions: against closed forms, dense implicit derivatives and unrolled iterations, in float64."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.gradients import argmin, fixed_point, root

RNG = np.random.default_rng(0)
W, X = 0.3 * RNG.normal(size=(4, 4)), RNG.normal(size=4)
A, Y = RNG.normal(size=(10, 3)), RNG.normal(size=10)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def layer(z, w, x):
    return jnp.tanh(w @ z + x)


def test_a_fixed_points_derivatives_are_those_of_the_dense_system_and_of_the_unrolled_iteration():
    at = lambda w, x: fixed_point(layer, jnp.zeros(4), w, x)  # noqa: E731
    unrolled = lambda w: jax.lax.fori_loop(0, 80, lambda _, z: layer(z, w, X), jnp.zeros(4))  # noqa: E731
    total = lambda find: jax.grad(lambda w: jnp.sum(find(w) ** 3))  # noqa: E731

    @jax.jit
    def everything(w, x):
        by_data = (jax.jacrev(lambda x: at(w, x).value)(x), jax.jacfwd(lambda x: at(w, x).value)(x))
        return at(w, x), by_data, (total(lambda w: at(w, x).value)(w), total(unrolled)(w))

    found, by_data, (by_weights, by_unrolled) = everything(W, X)
    z = np.asarray(found.value)
    assert found.converged
    np.testing.assert_allclose(z, np.tanh(W @ z + X), atol=1e-11)
    D = np.diag(1 - z**2)
    for J in by_data:  # reverse, forward
        np.testing.assert_allclose(J, np.linalg.solve(np.eye(4) - D @ W, D), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(by_weights, by_unrolled, rtol=1e-9, atol=1e-11)


def test_a_roots_derivative_is_that_of_the_square_root_and_maps_over_many():
    f = lambda z, a: z["z"] ** 2 - a  # noqa: E731
    solve = lambda a: root(lambda z, a: {"z": f(z, a)}, {"z": jnp.ones(())}, a).value["z"]  # noqa: E731
    a = jnp.asarray([0.25, 2.0, 9.0])
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(solve)))(a)
    np.testing.assert_allclose(value, np.sqrt(a), rtol=1e-11)
    np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=1e-10)


def test_newtons_step_is_shortened_where_the_whole_one_goes_too_far():
    found = root(lambda z: jnp.arctan(z), 3.0)  # the whole step overshoots for |z| > 1.39, further each time
    assert found.converged
    np.testing.assert_allclose(found.value, 0, atol=1e-11)
    assert found.iterations < 15


def ridge(w, penalty):
    return jnp.sum((A @ w - Y) ** 2) / 2 + penalty * jnp.sum(w**2) / 2


def test_ridge_regressions_weights_move_with_the_penalty_as_in_closed_form():
    H = A.T @ A + 0.7 * np.eye(3)
    w = np.linalg.solve(H, A.T @ Y)
    solve = lambda penalty: argmin(ridge, jnp.zeros(3), penalty)  # noqa: E731
    found, slope = jax.jit(lambda t: (solve(t), jax.jacrev(lambda t: solve(t).value)(t)))(0.7)
    assert found.converged
    np.testing.assert_allclose(found.value, w, rtol=1e-10)
    np.testing.assert_allclose(slope, -np.linalg.solve(H, w), rtol=1e-9)


def test_logistic_regressions_minimum_moves_with_its_data_as_in_closed_form():
    labels = np.sign(Y)
    f = lambda w, x: jnp.mean(jnp.logaddexp(0, -labels * (x @ w))) + 0.05 * jnp.sum(w**2)  # noqa: E731

    def solve(x):
        value = argmin(f, 5 * jnp.ones(3), x).value
        return value, value

    found, w = jax.jit(jax.jacrev(solve, has_aux=True))(A)
    # The gradient is the mean of x_i r_i, r_i = -y_i s_i, plus 0.1 w; s_i the sigmoid of -y_i x_i w.
    s = 1 / (1 + np.exp(labels * (A @ w)))
    np.testing.assert_allclose(A.T @ (-labels * s) / 10 + 0.1 * w, 0, atol=1e-11)
    H = (A.T * (s * (1 - s))) @ A / 10 + 0.1 * np.eye(3)
    mixed = np.einsum("i,kj->kij", -labels * s, np.eye(3)) + np.einsum("i,ik,j->kij", s * (1 - s), A, w)
    dense = -np.linalg.solve(H, mixed.reshape(3, -1) / 10)
    np.testing.assert_allclose(np.reshape(found, (3, -1)), dense, rtol=1e-8, atol=1e-10)


def test_where_the_curvature_is_negative_the_way_still_goes_down():
    found = argmin(lambda z: z**4 - z**2, 0.1)  # at 0.1 the second derivative is negative; 0 is a maximum
    assert found.converged
    np.testing.assert_allclose(found.value, 0.5**0.5, rtol=1e-9)


def test_what_does_not_converge_says_so_and_its_derivative_is_not_a_number():
    def solve(a):
        found = fixed_point(lambda z, a: 2 * z + a, 1.0, a, iterations=20)
        return found.value, found

    slope, found = jax.jit(jax.grad(solve, has_aux=True))(1.0)
    assert not found.converged
    assert found.iterations == 20
    assert found.value == 2**21 - 1  # the iteration's own
    assert np.isnan(slope)
    none = root(lambda z, a: z**2 + a, 1.0, 1.0)
    assert not none.converged
    np.testing.assert_allclose(none.residual, 1, atol=1e-3)  # the least that |z**2 + 1| can be


def test_a_singular_system_has_no_derivative_that_is_a_number():
    solve = lambda a: root(lambda z, a: (a - 1) * (1 + z), 0.5, a)  # noqa: E731
    found, slope = jax.jit(lambda a: jax.jvp(solve, (a,), (1.0,)))(1.0)
    assert found.converged  # every z is a root at a = 1
    assert np.isnan(slope.value)


def test_in_float32_it_converges_to_that_precision():
    with jax.enable_x64(False):
        w = jnp.asarray(W, jnp.float32)
        found = jax.jit(lambda w, x: fixed_point(layer, jnp.zeros(4), w, x))(w, jnp.asarray(X, jnp.float32))
        assert found.converged
        assert found.value.dtype == jnp.float32


WRONG = [
    (lambda: fixed_point(lambda z: z[:2], np.ones(3)), "fixed_point needs z and f(z) of one shape, and at"),
    (lambda: root(lambda z: {"a": z}, np.ones(3)), "root needs z and f(z) alike, and "),
    (lambda: argmin(lambda z: z, np.ones(3)), "argmin needs f to return a real floating-point scalar of shape ()"),
    (lambda: root(lambda z: z, 1), "root needs real floating-point parameters"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
