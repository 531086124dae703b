"""Finite differences: against derivatives in closed form, and against their own estimate of the error."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc.gradients import finite_difference

EPS = np.finfo(np.float64).eps
REAL = ("forward", "central", "richardson")


def squire_trapp(x):
    """The function of Squire & Trapp 1998."""
    return jnp.exp(x) / jnp.sqrt(jnp.sin(x) ** 3 + jnp.cos(x) ** 3)


SLOPE = 4.05342789389862  # of it at 1.5, as printed there


def net(p, x):
    return jnp.mean(jnp.log(1 + jnp.exp(jnp.tanh(x @ p["a"]) @ p["b"] + p["c"])) ** 2)


PARAMS = {"a": normal(0, 3, 4), "b": normal(1, 4), "c": normal(2)}
V, X = jax.tree.map(lambda p: normal(p.size + 3, *p.shape), PARAMS), normal(9, 8, 3)


def slope_of_net():
    return jax.jvp(lambda p: net(p, X), (PARAMS,), (V,))[1]


@pytest.mark.parametrize("method", [*REAL, "complex"])
def test_the_derivative_of_squire_and_trapp_is_as_printed_to_within_the_error_told(method):
    with jax.enable_x64(True):
        found = jax.tree.map(float, finite_difference(squire_trapp, 1.5, method=method))
    accurate = {"forward": 1e-6, "central": 1e-9, "richardson": 1e-11, "complex": 4 * EPS}[method]
    np.testing.assert_allclose(found.value, SLOPE, rtol=max(accurate, 1e-14))  # printed to 15 digits
    assert abs(found.value - SLOPE) <= found.error + 1e-14 * SLOPE
    assert found.error < 5 * accurate * SLOPE


@pytest.mark.parametrize(
    ("method", "order", "step"), [("forward", 1, 1e-3), ("central", 2, 1e-2), ("richardson", 4, 0.02)]
)
def test_the_error_falls_with_the_step_to_the_power_of_the_methods_order(method, order, step):
    error = lambda h: abs(finite_difference(squire_trapp, 1.5, method=method, step=h).value - SLOPE)  # noqa: E731
    with jax.enable_x64(True):
        # The next power adds a share of h or h**2.
        np.testing.assert_allclose(np.log2(error(step) / error(step / 2)), order, rtol=0.02)


@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
def test_along_a_direction_of_a_tree_the_error_told_holds_the_true_one(double):
    with jax.enable_x64(double):
        accuracy = {"forward": 5e-3, "central": 1e-4, "richardson": 3e-5, "complex": 1e-6}
        along = lambda method: finite_difference(net, PARAMS, V, X, method=method)  # noqa: E731
        true, results = jax.jit(lambda: (slope_of_net(), {method: along(method) for method in accuracy}))()
        for method, found in results.items():
            assert found.value.dtype == (jnp.float64 if double else jnp.float32)
            assert found.error < accuracy[method] * abs(true)
            # In float32 the derivative compared with is itself off by some roundings.
            assert abs(found.value - true) <= found.error + 16 * np.finfo(np.float32).eps * abs(true)


def test_the_complex_step_is_exact_to_rounding():
    with jax.enable_x64(True):
        for f, slope in ((jnp.log, 1 / 0.3), (jnp.sqrt, 0.5 / 0.3**0.5), (jnp.tanh, 1 / np.cosh(0.3) ** 2)):
            np.testing.assert_allclose(finite_difference(f, 0.3, method="complex").value, slope, rtol=1e-15)
        params, v, x = jax.tree.map(lambda x: x.astype(float), (PARAMS, V, X))
        true = jax.jvp(lambda p: net(p, x), (params,), (v,))[1]
        np.testing.assert_allclose(finite_difference(net, params, v, x, method="complex").value, true, rtol=1e-14)


def test_a_noisy_function_has_a_larger_error_told_and_kept():
    coarse = lambda x: jnp.round(jnp.sin(x) * 2000) / 2000  # noqa: E731
    points = np.linspace(0.1, 2, 200, dtype=np.float32)
    quiet, noisy = (jax.jit(jax.vmap(lambda x, f=f: finite_difference(f, x)))(points) for f in (jnp.sin, coarse))
    off = np.abs(noisy.value - np.cos(points))
    # An estimate from nine values. Stairs as regular as these now and then look like a straight line.
    assert np.mean(off <= noisy.error) > 0.6
    assert np.mean(off <= 4 * noisy.error) > 0.9
    assert np.median(off) > 100 * np.median(quiet.error)  # so that there is something to tell


def test_forward_differences_stay_on_their_side():
    found = finite_difference(jnp.sqrt, 0.0, method="forward", step=1e-2)
    np.testing.assert_allclose(found.value, 10, rtol=1e-6)
    assert np.isfinite(found.error)
    assert np.isnan(finite_difference(jnp.sqrt, 0.0).error)
    np.testing.assert_allclose(finite_difference(jnp.abs, 0.0, method="forward").value, 1)


def test_bfloat16_parameters_are_moved_in_float32():
    found = finite_difference(jnp.sin, jnp.asarray(0.5, jnp.bfloat16))
    np.testing.assert_allclose(found.value, np.cos(0.5), rtol=1e-4)


def test_what_takes_no_two_precisions_runs_as_it_is_given():
    kernel, image = normal(3, 1, 1, 2, 2), normal(4, 1, 1, 4, 4)
    f = lambda k: jnp.sum(jax.lax.conv(image, k, (1, 1), "VALID") ** 2)  # noqa: E731
    true = jax.jvp(f, (kernel,), (kernel,))[1]
    with jax.enable_x64(True):
        found = finite_difference(f, kernel, kernel)
    assert found.value.dtype == jnp.float32
    np.testing.assert_allclose(found.value, true, rtol=1e-3)


def leaky(x):
    return jnp.where(x > 0, x, 0.1 * x)


COMPLEX = "finite_difference with method='complex' needs f to take complex numbers"
WRONG = [
    (lambda: finite_difference(jnp.sum, np.ones(3)), "needs a direction where the parameters are more than one number"),
    (lambda: finite_difference(jnp.sum, np.ones(3), np.ones(2)), "finite_difference needs params and direction of one"),
    (lambda: finite_difference(jnp.sin, 1.0, method="centre"), "needs method 'forward', 'central', 'richardson' or"),
    (lambda: finite_difference(jnp.sin, 1.0, step=0), "finite_difference needs step > 0, and was given step=0"),
    (lambda: finite_difference(lambda x: x, np.ones(3), np.ones(3)), "finite_difference needs f to return a real"),
    (lambda: finite_difference(jnp.sin, 1), "needs real floating-point parameters"),
    (lambda: finite_difference(jnp.abs, 1.0, method="complex"), f"{COMPLEX}, and 'abs'"),
    (lambda: finite_difference(jnp.floor, 1.0, method="complex"), f"{COMPLEX}, and it raised TypeError: floor"),
    (lambda: finite_difference(jnp.linalg.norm, np.ones(3), np.ones(3), method="complex"), f"{COMPLEX}, and "),
    (lambda: finite_difference(leaky, 1.0, method="complex"), f"{COMPLEX}, and "),
    (lambda: finite_difference(lambda x: 2.0, 1.0, method="complex"), f"{COMPLEX} and return one, of shape ()"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
