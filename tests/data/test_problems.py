"""Problems: their answers, their curvature, their dtypes."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

import gdfunc as gd

EXAMPLES = [
    ("quadratic", {}),
    ("quadratic", {"dimension": 4, "condition_number": 1e4, "seed": 3}),
    ("quadratic", {"eigenvalues": [5.0, 1.0, 1.0, 0.5], "rotated": False}),
    ("quadratic", {"dimension": 1, "condition_number": 1.0}),
    ("rosenbrock", {}),
    ("rosenbrock", {"dimension": 5}),
]


@pytest.mark.parametrize(("name", "options"), EXAMPLES)
def test_the_minimiser_has_the_minimum_no_gradient_and_the_hessian_stated(name, options):
    with jax.enable_x64(True):
        problem = gd.data.problem(name, **options)
        x = jnp.asarray(problem.minimiser)
        assert x.dtype == jnp.float64
        assert float(problem.f(x)) == problem.minimum
        np.testing.assert_allclose(jax.grad(problem.f)(x), np.zeros(len(x)), atol=1e-12)
        np.testing.assert_allclose(jax.hessian(problem.f)(x), problem.hessian, atol=1e-10)
        assert float(problem.f(jnp.asarray(problem.start))) > problem.minimum
        assert problem.start.dtype == problem.minimiser.dtype == np.float64


@pytest.mark.parametrize(("name", "options"), EXAMPLES)
def test_a_problem_repeats_itself_from_its_own_options(name, options):
    problem = gd.data.problem(name, **options)
    again = gd.data.problem(problem.name, **problem.options)
    np.testing.assert_array_equal(problem.start, again.start)
    np.testing.assert_array_equal(problem.hessian, again.hessian)
    assert repr(problem).startswith(f"Problem({name}, {len(problem.start)} dimensions")


@pytest.mark.parametrize("condition_number", [1.0, 10.0, 1e6])
def test_the_quadratic_has_the_condition_number_asked_for(condition_number):
    eigenvalues = np.linalg.eigvalsh(gd.data.quadratic(condition_number=condition_number).hessian)
    assert abs(eigenvalues[-1] - 1) < 1e-12
    assert abs(eigenvalues[-1] / eigenvalues[0] / condition_number - 1) < 1e-6


def test_the_quadratic_has_the_eigenvalues_asked_for():
    given = [0.1, 7.0, 2.0]
    found = np.linalg.eigvalsh(gd.data.quadratic(eigenvalues=given).hessian)
    np.testing.assert_allclose(found, sorted(given), rtol=1e-12)


def test_the_quadratic_starts_at_distance_one_along_every_eigenvector():
    problem = gd.data.quadratic(dimension=6, condition_number=50.0)
    _, q = np.linalg.eigh(problem.hessian)
    np.testing.assert_allclose(np.abs(q.T @ (problem.start - problem.minimiser)), np.ones(6), rtol=1e-10)


def test_gradient_descent_on_the_quadratic_converges_at_the_exact_rate():
    # With rate 2 / (L + mu) each extreme error shrinks by (kappa - 1) / (kappa + 1) a step (Nesterov 2004).
    with jax.enable_x64(True):
        problem = gd.data.quadratic(dimension=2, condition_number=10.0)
        x, rate = jnp.asarray(problem.start), 2 / (1 + 0.1)
        for _ in range(20):
            x = x - rate * jax.grad(problem.f)(x)
        shrunk = np.linalg.norm(x - problem.minimiser) / np.linalg.norm(problem.start - problem.minimiser)
    assert abs(shrunk / (9 / 11) ** 20 - 1) < 1e-9


@pytest.mark.parametrize("name", list(gd.data.problems()))
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("x64", [False, True])
def test_a_problem_keeps_the_dtype_of_its_argument(name, dtype, x64):
    with jax.enable_x64(x64):
        problem = gd.data.problem(name)
        x = jnp.asarray(problem.start, dtype)
        value, gradient = jax.jit(jax.value_and_grad(problem.f))(x)
    assert value.dtype == gradient.dtype == dtype
    assert jnp.isfinite(value)
    assert jnp.all(jnp.isfinite(gradient))


def test_a_badly_conditioned_quadratic_is_never_negative_in_float32():
    problem = gd.data.quadratic(condition_number=1e8)
    points = jnp.asarray(problem.minimiser) + 1e-3 * normal(0, 200, 10)
    assert jnp.all(jax.vmap(problem.f)(points) >= 0)


def test_rosenbrock_in_two_dimensions_has_the_published_start_and_value():
    problem = gd.data.rosenbrock()
    np.testing.assert_array_equal(problem.start, [-1.2, 1.0])
    assert abs(float(problem.f(jnp.asarray(problem.start))) - 24.2) < 1e-4  # 24.2 has an ulp of 2e-6 in float32
    assert abs(np.linalg.cond(problem.hessian) - 2508.0) < 0.1


WRONG = [
    (lambda: gd.data.problem("rosenbrok"), "problem knows no 'rosenbrok'. Did you mean 'rosenbrock'?"),
    (lambda: gd.data.problem("quadratic", kappa=3), "problem('quadratic') knows no 'kappa'."),
    (lambda: gd.data.quadratic(condition_number=0.1), "quadratic needs condition_number >= 1"),
    (lambda: gd.data.quadratic(dimension=1), "quadratic needs dimension to be a whole number >= 2"),
    (lambda: gd.data.quadratic(dimension=0, condition_number=1), "quadratic needs dimension to be a whole number >= 1"),
    (lambda: gd.data.quadratic(eigenvalues=[1.0, 0.0]), "quadratic needs eigenvalues > 0"),
    (lambda: gd.data.quadratic(eigenvalues=[[1.0]]), "quadratic needs eigenvalues > 0"),
    (lambda: gd.data.quadratic(eigenvalues=[]), "quadratic needs eigenvalues > 0"),
    (lambda: gd.data.quadratic(seed=0.5), "quadratic needs seed to be a whole number >= 0"),
    (lambda: gd.data.rosenbrock(1), "rosenbrock needs dimension to be a whole number >= 2, and was given dimension=1"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_bad_option_of_a_problem_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
