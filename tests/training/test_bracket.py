"""Descent in one dimension."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd


def parabola(x):
    return 5 * x**2


def test_the_slope_of_5_x_squared_at_1_is_10_and_its_minimum_is_bracketed():
    found = gd.bracket(parabola, 1, step=0.3)
    assert found.outcome.code == "bracketed"
    assert float(found.low) < 0 < float(found.high)
    np.testing.assert_allclose(found.path[:5], [1.0, 0.7, 0.4, 0.1, -0.2], atol=1e-6)
    assert np.all(np.isnan(found.path[5:]))
    assert int(found.steps) == 4
    np.testing.assert_allclose([found.slope_low, found.slope_high], [-2.0, 1.0], atol=1e-5)
    start = gd.bracket(parabola, 1, step=0.3, max_steps=1)
    np.testing.assert_allclose(start.slope_high, 10.0)


@pytest.mark.parametrize("x", [-3.0, 4.0])
@pytest.mark.parametrize(("f", "minimum"), [
    (lambda x: (x - 0.7) ** 4, 0.7), (lambda x: jnp.abs(x - 0.7), 0.7), (lambda x: jnp.cosh(x - 0.7), 0.7),
    (lambda x: jnp.maximum(0.7 - x, 3 * (x - 0.7)), 0.7),
], ids=["quartic", "kink", "smooth", "uneven_kink"])  # fmt: skip
def test_halving_reaches_the_tolerance_from_either_side(f, minimum, x):
    found = gd.bracket(f, x, step=0.2, tolerance=1e-3)
    assert found.outcome.code == "bracketed"
    assert float(found.low) <= minimum <= float(found.high)
    assert float(found.high) - float(found.low) <= 1e-3
    assert abs(float(found.minimum) - minimum) <= 1e-3


def test_a_tolerance_of_zero_ends_at_neighbouring_floats():
    found = gd.bracket(lambda x: (x - 1 / 3) ** 2 + jnp.abs(x - 1 / 3), 2.0, step=0.5, tolerance=0.0)
    assert float(np.nextafter(np.float32(found.low), np.float32(9))) >= float(found.high)


def test_expanding_steps_reach_a_far_minimum_that_equal_steps_do_not():
    far = lambda x: (x - 1e4) ** 2  # noqa: E731
    assert gd.bracket(far, 0.0, step=1.0).outcome.code == "steps"
    found = gd.bracket(far, 0.0, step=1.0, expand=2.0, tolerance=1.0)
    assert found.outcome.code == "bracketed"
    assert abs(float(found.minimum) - 1e4) <= 1.0
    np.testing.assert_allclose(found.path[:5], [0, 1, 3, 7, 15])


def test_a_monotone_function_is_said_to_have_no_change_of_sign():
    found = gd.bracket(jnp.exp, 0.0, step=0.5, max_steps=20)
    assert found.outcome.code == "steps"
    assert int(found.steps) == 20
    assert np.isnan(found.minimum)
    assert "monotone" in found.outcome.remedy
    assert float(found.low) == -10.0


def test_a_derivative_of_exactly_zero_is_stationary_and_not_called_a_minimum():
    for f, x, at in [(parabola, 1.0, 0.0), (lambda x: -(x**2), 0.0, 0.0), (lambda x: x**3, 1.0, 0.0)]:
        found = gd.bracket(f, x, step=0.25)
        assert found.outcome.code == "stationary"
        assert float(found.low) == float(found.high) == float(found.minimum) == at


@pytest.mark.parametrize(("f", "x"), [(jnp.log, 1.0), (jnp.log, -1.0), (lambda x: x * jnp.nan, 1.0)])
def test_leaving_the_domain_is_an_outcome(f, x):
    found = gd.bracket(f, x, step=0.3, tolerance=1e-3)
    assert found.outcome.code == "non_finite"
    assert np.isnan(found.minimum)
    assert found.outcome.remedy


def test_a_hole_met_while_halving_is_an_outcome():
    hole = lambda x: jnp.where(jnp.abs(x - 0.05) < 0.1, jnp.nan, 1.0) * x**2  # noqa: E731
    found = gd.bracket(hole, 1.3, step=1.0, tolerance=1e-3)
    assert found.outcome.code == "non_finite"
    np.testing.assert_allclose([found.low, found.high], [-0.2, 0.05], atol=1e-6)  # ended in the hole, at once
    assert "x = 0.05" in found.outcome.message


def test_it_is_pure_under_jit_and_vmap():
    search = lambda x, step: gd.bracket(parabola, x, step=step, tolerance=1e-3)  # noqa: E731
    jitted = jax.jit(search)(1.0, 0.3)
    for a, b in zip(jitted, search(1.0, 0.3), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    many = jax.vmap(search, in_axes=(0, None))(jnp.array([1.0, -2.0, 3.1]), 0.3)
    assert many.low.shape == (3,)
    assert np.all(np.abs(many.minimum) <= 1e-3)
    assert "Bracket" in repr(many)


def test_a_function_is_traced_once_for_every_start_and_step():
    traces = []

    def counted(x):
        traces.append(1)
        return 5 * x**2

    gd.bracket(counted, 1.0, step=0.3, tolerance=0.1)
    before = len(traces)
    gd.bracket(counted, 2.0, step=0.1, tolerance=0.2, expand=1.5)
    assert len(traces) == before


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_the_dtype_of_x_is_kept(dtype):
    with jax.enable_x64(dtype == "float64"):
        found = gd.bracket(parabola, jnp.asarray(1.0, dtype), step=0.3, tolerance=0.05)
        assert found.outcome.code == "bracketed"
        assert {x.dtype for x in (found.low, found.high, found.minimum, found.slope_low, found.path)} == {
            jnp.dtype(dtype)
        }


@pytest.mark.parametrize(
    ("f", "settings", "message"),
    [
        (lambda x: jnp.stack([x, x]), {}, r"returned float32 of shape \(2,\)"),
        (lambda x: 3, {}, r"returned int32 of shape \(\)"),
        (7, {}, r"needs a function, and was given 7"),
        (parabola, {"x": np.ones(2)}, r"x to be a real scalar"),
        (parabola, {"x": 1j}, r"x to be a real scalar"),
        (parabola, {"x": np.inf}, r"x to be finite"),
        (parabola, {"step": 0.0}, r"step to be > 0, and was given step=0"),
        (parabola, {"step": -1.0}, r"step to be > 0"),
        (parabola, {"expand": 0.9}, r"expand to be >= 1, and was given expand=0.9"),
        (parabola, {"tolerance": -1.0}, r"tolerance to be >= 0"),
        (parabola, {"max_steps": 0}, r"bracket needs max_steps to be a whole number >= 1"),
    ],
)
def test_a_mistake_is_a_clear_error(f, settings, message):
    with pytest.raises(ValueError, match=message):
        gd.bracket(f, **{"x": 1.0, "step": 0.3, **settings})
