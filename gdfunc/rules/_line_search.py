"""Line searches: how far to go along a direction of descent. Each tries so many points and no more."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, safe_sqrt, tree_dot, tree_map
from ._whole_tree import ratio, scalar_like


class Point(NamedTuple):
    r"""A point on the line, $\phi(\alpha) = f(p + \alpha d)$."""

    step: Array  # alpha
    value: Array  # phi(alpha); infinite where it is not finite
    slope: Array  # phi'(alpha)


def search(
    rule: Any, first: Any, d: Tree, params: Tree, grads: Tree, value: Array, value_fn: Callable, grad_fn: Callable
) -> Array:
    """How far to go along d: by the search, the constants and the trials that the rule names.

    Args:
        rule: what has `line_search` ("wolfe" or "backtracking"), `armijo`, `wolfe`, `shrink` and `trials`.
        first: the first step tried, in lengths of d.
        d: a direction along which the loss falls.
        params: p.
        grads: the gradients there.
        value: the loss there.
        value_fn: params -> loss.
        grad_fn: params -> gradients.

    Returns:
        The step, in lengths of d; 0 where no trial falls enough.
    """
    start = Point(scalar_like(params, 0.0), scalar_like(params, value), tree_dot(grads, d))
    at = lambda step: tree_map(lambda p, d: (p + step * d).astype(p.dtype), params, d)  # noqa: E731
    if rule.line_search == "backtracking":
        return backtracking(lambda step: value_fn(at(step)), start, first, rule.shrink, rule.armijo, rule.trials)

    def point_at(step: Array) -> tuple[Array, Array]:
        q = at(step)
        return value_fn(q), tree_dot(grad_fn(q), d)

    return strong_wolfe(point_at, start, first, rule.armijo, rule.wolfe, rule.trials)


def backtracking(
    value_at: Callable[[Array], Array], start: Point, first: Any, shrink: Any, armijo: Any, trials: int
) -> Array:
    r"""The first of $\alpha, \rho\alpha, \rho^2\alpha, \dots$ with $\phi(\alpha) \le \phi(0) + c_1 \alpha \phi'(0)$ (Nocedal & Wright 2006, algorithm 3.1).

    Args:
        value_at: phi.
        start: phi at 0, with a negative slope.
        first: the first step tried.
        shrink: rho in (0, 1).
        armijo: c_1 in (0, 1).
        trials: how many steps are tried; a loss that is not finite counts as too high.

    Returns:
        The step; 0 where none of the trials falls enough.
    """

    def trial(step):
        value = value_at(step).astype(step.dtype)
        found = jnp.isfinite(value) & (value <= start.value + armijo * step * start.slope)
        return jnp.where(found, step, (shrink * step).astype(step.dtype)), found

    # Of a fixed length, because reverse-mode derivatives go through a scan and not through a while_loop.
    def body(carry, _):
        return lax.cond(carry[1], lambda step: (step, True), trial, carry[0]), None

    (step, found), _ = lax.scan(body, (jnp.asarray(first, start.value.dtype), jnp.array(False)), length=trials)
    return jnp.where(found, step, 0)


class _Bracket(NamedTuple):
    trial: Array  # the step tried next
    low: Point  # the lowest point seen that falls enough
    high: Point  # the interval's other end, infinitely far until one is found; a minimum lies between
    done: Array


def strong_wolfe(
    point_at: Callable[[Array], tuple[Array, Array]], start: Point, first: Any, armijo: Any, wolfe: Any, trials: int
) -> Array:
    r"""A step with $\phi(\alpha) \le \phi(0) + c_1 \alpha \phi'(0)$ and $|\phi'(\alpha)| \le c_2 |\phi'(0)|$ (Nocedal & Wright 2006, algorithms 3.5 and 3.6).

    The step is doubled until an interval is found that holds such a step, and then the interval is narrowed by cubic
    interpolation (eq. 3.59), or halved where the cubic has no minimum. Both are one loop here: until then the interval
    reaches to infinity.

    Args:
        point_at: alpha -> (phi, its slope).
        start: phi at 0, with a negative slope.
        first: the first step tried.
        armijo: c_1 in (0, 1).
        wolfe: c_2 in (c_1, 1).
        trials: how many steps are tried; a loss or slope that is not finite counts as too high.

    Returns:
        The step. Where no trial meets both conditions the lowest that meets the first; 0 where there is none.
    """
    dtype = start.value.dtype

    def narrow(state):
        low, high = state.low, state.high
        value, slope = (x.astype(dtype) for x in point_at(state.trial))
        finite = jnp.isfinite(value) & jnp.isfinite(slope)
        new = Point(state.trial, jnp.where(finite, value, jnp.inf), jnp.where(finite, slope, 0))
        too_high = (new.value > start.value + armijo * new.step * start.slope) | (new.value >= low.value)
        done = ~too_high & (jnp.abs(new.slope) <= wolfe * jnp.abs(start.slope))
        # Falling towards low: the minimum lies between the two.
        turned = ~too_high & ((new.slope > 0) == (high.step > low.step))
        high = _choose(too_high, new, _choose(turned, low, high))
        low = _choose(too_high, low, new)
        trial = jnp.where(jnp.isinf(high.step), 2 * new.step, _between(low, high))
        return _Bracket(trial, low, high, done)

    def body(state, _):
        return lax.cond(state.done, lambda state: state, narrow, state), None

    nowhere = Point(
        jnp.full_like(start.value, jnp.inf), jnp.full_like(start.value, jnp.inf), jnp.zeros_like(start.value)
    )
    state = _Bracket(jnp.asarray(first, dtype), start, nowhere, jnp.array(False))
    return lax.scan(body, state, length=trials)[0].low.step


def _choose(condition: Array, a: Point, b: Point) -> Point:
    return Point(*(jnp.where(condition, x, y) for x, y in zip(a, b, strict=True)))


def _between(low: Point, high: Point) -> Array:
    """The minimum of the cubic through both points and slopes, kept a tenth of the interval away from its ends."""
    secant = (high.value - low.value) / (high.step - low.step)
    # Where a square overflows, or one end is infinitely far or high, there is no cubic to speak of.
    known = jnp.isfinite(secant**2) & jnp.isfinite(high.slope**2)
    width = jnp.where(jnp.isfinite(high.step), high.step, 0) - low.step
    fall, end_slope = (jnp.where(known, x, 0) for x in (high.value - low.value, high.slope))
    d1 = low.slope + end_slope - 3 * ratio(fall, width)
    radicand = d1**2 - low.slope * end_slope
    d2 = jnp.sign(width) * safe_sqrt(jnp.maximum(radicand, 0))
    denominator = end_slope - low.slope + 2 * d2
    share = 1 - ratio(end_slope + d2 - d1, denominator)
    share = jnp.where(known & (radicand >= 0) & (denominator != 0), jnp.clip(share, 0.1, 0.9), 0.5)
    return low.step + share * width
