"""Levenberg and Marquardt's least squares: one step where the residuals are linear, and a damping that follows the gain."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.rules import levenberg_marquardt


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


RANDOM = np.random.default_rng(0)
A, TARGET = RANDOM.normal(size=(9, 4)), RANDOM.normal(size=9)


def linear(p):
    return {"r": A[:, :3] @ p["w"] + A[:, 3] * p["b"] - TARGET}


START = {"b": np.zeros(()), "w": np.ones(3)}


def test_linear_residuals_are_solved_in_one_step_without_damping():
    found = levenberg_marquardt(linear, START, damping=0.0)
    assert int(found.iterations) == 1
    assert bool(found.converged)
    wanted = np.linalg.lstsq(A, TARGET)[0]
    np.testing.assert_allclose([*found.params["w"], found.params["b"]], wanted, rtol=1e-10)
    np.testing.assert_allclose(found.value, np.sum((A @ wanted - TARGET) ** 2) / 2)


def test_a_damped_step_solves_the_dense_system_and_a_third_of_the_damping_is_left():
    found = levenberg_marquardt(linear, START, damping=3.0, steps=1)
    p = np.array([1.0, 1, 1, 0])
    wanted = p - np.linalg.solve(A.T @ A + 3 * np.eye(4), A.T @ (A @ p - TARGET))
    np.testing.assert_allclose([*found.params["w"], found.params["b"]], wanted, rtol=1e-10)
    np.testing.assert_allclose(found.damping, 1.0)
    assert not bool(found.converged)


def test_each_failure_multiplies_the_damping_by_twice_as_much_as_the_one_before():
    # Every step uphill: the residual's slope is a lie.
    @jax.custom_jvp
    def liar(p):
        return p + 10.0

    liar.defjvp(lambda p, dp: (liar(*p), -dp[0]))
    found = levenberg_marquardt(liar, jnp.array([1.0]), damping=0.5, steps=3)
    np.testing.assert_array_equal(found.params, [1.0])
    assert float(found.damping) == 0.5 * 2 * 4 * 8


def test_a_gain_short_of_what_was_predicted_keeps_more_of_the_damping():
    found = levenberg_marquardt(lambda p: jnp.exp(p), jnp.array([3.0]), damping=1.0, steps=1)
    r = np.exp(3.0)
    z = -(r**2) / (r**2 + 1)
    rho = (r**2 - np.exp(3 + z) ** 2) / (r**2 - (r + r * z) ** 2)
    np.testing.assert_allclose(found.params, [3 + z])
    np.testing.assert_allclose(found.damping, 1 - (2 * rho - 1) ** 3)
    assert 0.5 < found.damping < 0.9


def rosenbrock(p):
    return jnp.stack([10 * (p[1] - p[0] ** 2), 1 - p[0]])


def test_on_rosenbrocks_residuals_it_never_climbs_and_ends_quadratically_where_scipy_ends():
    start = jnp.array([-1.2, 1.0])
    run = jax.jit(lambda steps: levenberg_marquardt(rosenbrock, start, tolerance=1e-14, steps=steps), static_argnums=0)
    values = [float(run(steps).value) for steps in (1, 4, 8, 16)]
    assert all(b <= a for a, b in pairwise(values))
    found = levenberg_marquardt(rosenbrock, start, tolerance=1e-12)
    assert bool(found.converged)
    assert int(found.iterations) < 30
    np.testing.assert_allclose(found.params, 1, atol=1e-10)
    optimize = pytest.importorskip("scipy.optimize")
    theirs = optimize.least_squares(lambda p: np.asarray(rosenbrock(p)), np.asarray(start), method="lm")
    np.testing.assert_allclose(found.params, theirs.x, atol=1e-8)


def test_where_a_step_leaves_the_domain_it_is_refused():
    found = levenberg_marquardt(lambda p: jnp.log(p), jnp.array([20.0]), damping=0.0001)
    np.testing.assert_allclose(found.params, [1.0], atol=1e-6)


def test_bad_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="needs steps >= 1, and was given steps=0"):
        levenberg_marquardt(linear, START, steps=0)
    with pytest.raises(ValueError, match="needs damping >= 0"):
        levenberg_marquardt(linear, START, damping=float("nan"))
    with pytest.raises(ValueError, match=r"residual_fn's outputs.*real floating-point"):
        levenberg_marquardt(lambda p: jnp.arange(3), START)
    with pytest.raises(ValueError, match=r"int(32|64) at 'b'"):
        levenberg_marquardt(linear, {**START, "b": jnp.asarray(1)})
