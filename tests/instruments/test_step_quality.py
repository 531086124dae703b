"""How good a step was: on parabolas, where the answer is known, and against NumPy's least squares elsewhere."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.core import tree_norm
from gdfunc.instruments._step_quality import (
    StepEnds,
    alpha,
    distance_travelled,
    gradient_cosine,
    loss_after_before,
    step_ends,
)
from gdfunc.rules import Adam

EPS = np.finfo(np.float64).eps


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def parabola(p, h):
    return 0.5 * h * jnp.sum(p["x"] ** 2)


def bumpy(p, batch):
    return jnp.sum(jnp.cos(p["x"])) + jnp.sum(p["y"] ** 4) * batch


PARAMS = {"x": np.array([0.7, -0.4]), "y": np.array([0.9, 0.2])}
UPDATES = {"x": np.array([0.3, 0.5]), "y": np.array([-0.4, 0.1])}


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5, 0.8, 1.0, 1.5])
def test_a_gradient_step_on_a_parabola_lands_at_rate_times_curvature_less_one(rate):
    h, params = 2.0, {"x": jnp.asarray([3.0, -1.0])}
    updates = jax.tree.map(lambda g: -rate * g, jax.grad(parabola)(params, h))
    ends = jax.jit(step_ends, static_argnums=0)(parabola, params, updates, h)
    # 0 is found as the difference of two numbers of size 1.
    np.testing.assert_allclose(alpha(ends), rate * h - 1, rtol=1e-12, atol=1e-14)
    after = (1 - rate * h) ** 2
    np.testing.assert_allclose(loss_after_before(parabola, params, updates, h), after, rtol=1e-12, atol=1e-30)


def test_the_ends_are_the_losses_and_slopes_along_any_rules_step():
    rule = Adam(0.3)
    updates, _ = rule.update(jax.grad(bumpy)(PARAMS, 1.5), rule.init(PARAMS), PARAMS)
    ends = step_ends(bumpy, PARAMS, updates, 1.5)
    x, y, u, v = *PARAMS.values(), *(np.asarray(updates[k]) for k in "xy")
    line = lambda s: np.sum(np.cos(x + s * u)) + 1.5 * np.sum((y + s * v) ** 4)  # noqa: E731
    slope = lambda s: -np.sin(x + s * u) @ u + 6 * (y + s * v) ** 3 @ v  # noqa: E731
    np.testing.assert_allclose(ends, [line(0), slope(0), line(1), slope(1)], rtol=1e-13)


def test_off_a_parabola_it_is_the_least_squares_fit():
    ends = step_ends(bumpy, PARAMS, UPDATES, 1.5)
    equations = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0.5], [0, 1, 1]])  # of c, b, a in loss and slope, loss and slope
    c, b, a = np.linalg.lstsq(equations, np.asarray(ends))[0]
    assert abs(c - ends.loss_before) > 1e-3  # no parabola
    minimum = -b / a
    np.testing.assert_allclose(alpha(ends), (1 - minimum) / minimum, rtol=1e-12)


def test_the_unit_of_the_loss_does_not_matter():
    ends = step_ends(bumpy, PARAMS, UPDATES, 1.5)
    np.testing.assert_allclose(alpha(StepEnds(*(1e6 * x for x in ends))), alpha(ends), rtol=1e-12)


def test_uphill_is_below_minus_one_and_without_a_minimum_it_is_minus_one():
    params, up = {"x": jnp.asarray([1.0])}, {"x": jnp.asarray([0.5])}
    np.testing.assert_allclose(alpha(step_ends(parabola, params, up, 2.0)), -1.5, rtol=4 * EPS)
    assert alpha(step_ends(parabola, params, up, -2.0)) == -1
    assert alpha(StepEnds(*map(jnp.asarray, (3.0, -1.0, 2.0, -1.0)))) == -1  # a straight line


def test_a_step_of_nothing_and_a_nan_have_no_alpha():
    still = step_ends(parabola, {"x": jnp.ones(2)}, {"x": jnp.zeros(2)}, 1.0)
    assert jnp.isnan(alpha(still))
    for i in range(4):
        values = [3.0, -1.0, 2.0, -2.0]
        values[i] = np.nan
        assert jnp.isnan(alpha(StepEnds(*map(jnp.asarray, values))))
    bad = {"x": jnp.asarray([1.0, jnp.nan])}
    assert jnp.isnan(alpha(step_ends(parabola, bad, {"x": jnp.ones(2)}, 1.0)))
    assert jnp.isnan(loss_after_before(parabola, bad, {"x": jnp.ones(2)}, 1.0))


def test_updates_of_another_dtype_are_measured_as_they_are_applied():
    params = {"x": jnp.asarray([1.0, 2.0], jnp.bfloat16)}
    ends = step_ends(parabola, params, {"x": jnp.asarray([-0.5, -1.0], jnp.float32)}, jnp.bfloat16(1))
    assert [float(x) for x in ends] == [2.5, -2.5, 0.625, -1.25]


def test_the_cosine_is_that_of_the_flat_vectors():
    a, b = (np.concatenate([t["x"], t["y"]]) for t in (PARAMS, UPDATES))
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(jax.jit(gradient_cosine)(PARAMS, UPDATES), expected, rtol=8 * EPS)
    np.testing.assert_allclose(gradient_cosine(PARAMS, jax.tree.map(lambda x: -3 * x, PARAMS)), -1, rtol=4 * EPS)
    assert jnp.isnan(gradient_cosine(PARAMS, jax.tree.map(jnp.zeros_like, PARAMS)))


def test_the_distance_is_the_norm_of_each_leafs_difference():
    start = {"a": jnp.asarray([1.0, 2.0]), "b": jnp.asarray([[0.5]])}
    now = {"a": jnp.asarray([4.0, -2.0]), "b": jnp.asarray([[12.5]])}
    found = jax.jit(distance_travelled)(now, start)
    assert (found["a"], found["b"], tree_norm(found)) == (5, 12, 13)
    still = distance_travelled(start, start)
    assert (still["a"], still["b"]) == (0, 0)
    assert jnp.isnan(distance_travelled(jax.tree.map(lambda x: x * jnp.nan, now), start)["a"])


def test_many_steps_at_once_are_each_as_alone():
    scales = jnp.asarray([0.1, 1.0, 3.0])

    def everything(scale):
        u = jax.tree.map(lambda x: scale * x, UPDATES)
        return (
            alpha(step_ends(bumpy, PARAMS, u, 1.5)),
            loss_after_before(bumpy, PARAMS, u, 1.5),
            gradient_cosine(u, PARAMS),
            tree_norm(distance_travelled(PARAMS, u)),
        )

    together = jax.jit(jax.vmap(everything))(scales)
    for i, scale in enumerate(scales):
        np.testing.assert_allclose([x[i] for x in together], everything(scale), rtol=1e-12)


WRONG = [
    (lambda: step_ends(bumpy, {}, {}, 1.0), "step_ends needs at least one array"),
    (lambda: step_ends(bumpy, PARAMS, {"x": jnp.ones(2)}, 1.0), "'y' is in params but not in updates"),
    (lambda: loss_after_before(bumpy, PARAMS, {"x": jnp.ones(2)}, 1.0), "'y' is in params but not in updates"),
    (lambda: gradient_cosine({"x": jnp.ones(2)}, {"x": jnp.ones(3)}), "at 'x' was given (2,) and (3,)"),
    (lambda: distance_travelled({"x": jnp.ones(2)}, {"x": jnp.ones(3)}), "distance_travelled needs params and start"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
