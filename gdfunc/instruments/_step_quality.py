"""How good a step was: where on the slope it landed, what it won, how it agrees with others, how far they led."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, apply_updates, check_alike, check_params, tree_dot, tree_norm, wide


class StepEnds(NamedTuple):
    """The loss along a step, at its two ends, on one batch.

    Attributes:
        loss_before: (), L(p).
        slope_before: (), $u^\\top \\nabla L(p)$, in units of the loss for a whole step: below 0 downhill.
        loss_after: (), L(p + u).
        slope_after: (), $u^\\top \\nabla L(p + u)$.
    """

    loss_before: Array
    slope_before: Array
    loss_after: Array
    slope_after: Array


def step_ends(loss_fn: Callable[[Tree, Tree], Array], params: Tree, updates: Tree, batch: Tree) -> StepEnds:
    """The loss and its slope along the step that was really made, at both of its ends.

    Two forward-mode passes, together about two gradients.

    Args:
        loss_fn: (params, batch) -> (), the loss.
        params: p, before the step, a pytree of real floating-point arrays.
        updates: u, a tree as `params`, whatever rule it came from.
        batch: what the loss is taken on, at both ends.

    Returns:
        A `StepEnds`.

    Raises:
        ValueError: naming the first leaf where `params` and `updates` differ.
    """
    check_params(params, "step_ends")
    check_alike("step_ends", params=params, updates=updates)
    u = jax.tree.map(lambda p, x: jnp.asarray(x, jnp.result_type(p)), params, updates)
    along = lambda p: jax.jvp(lambda q: loss_fn(q, batch), (p,), (u,))  # noqa: E731
    return StepEnds(*along(params), *along(apply_updates(params, u)))


def alpha(ends: StepEnds) -> Array:
    r"""Where a step lands on the parabola that best fits its two ends (Schneider, Dangel & Hennig 2021, NeurIPS, <https://arxiv.org/abs/2102.06604>).

    $$\phi(s) \approx c + b s + \tfrac12 a s^2, \quad 0 \le s \le 1 \qquad
    \alpha = -\frac{\hat b + \hat a}{\hat b} = -\frac{\phi'_1 + r / 10}{\phi'_0 + r / 10},
    \quad r = 2 (\phi_1 - \phi_0) - \phi'_0 - \phi'_1$$

    -1 is where the step started, 0 the minimum, 1 the same height on the other side; above 1 the step climbs. The two
    losses and slopes overdetermine the parabola: $\hat a, \hat b$ are its least squares fit, all four weighted alike,
    where the paper weighs them by their noise over the batch; on a parabola r is 0 and the weights do not matter.
    Below -1 the step went uphill, away from the minimum; -1 is also given, as in the paper's program, where the
    parabola opens downwards and has none.

    Args:
        ends: the loss and its slope at both ends of the step.

    Returns:
        (), without unit; NaN where nothing changes along the step.
    """
    r = 2 * (ends.loss_after - ends.loss_before) - ends.slope_before - ends.slope_after
    before, after = ends.slope_before + r / 10, ends.slope_after + r / 10
    return jnp.where(after < before, -1, -after / before)


def loss_after_before(loss_fn: Callable[[Tree, Tree], Array], params: Tree, updates: Tree, batch: Tree) -> Array:
    r"""The loss after a step over the loss before it, on the same batch: $L(p + u) / L(p)$.

    1 or more on the batch that the step was computed from, and the step was too long. For losses that are positive. Two
    forward passes, together less than one gradient.

    Args:
        loss_fn: (params, batch) -> (), the loss.
        params: p, before the step.
        updates: u, a tree as `params`.
        batch: what the loss is taken on.

    Returns:
        (), without unit.

    Raises:
        ValueError: naming the first leaf where `params` and `updates` differ.
    """
    return loss_fn(apply_updates(params, updates), batch) / loss_fn(params, batch)


def gradient_cosine(a: Tree, b: Tree) -> Array:
    r"""The cosine of the angle between two gradients, $\langle a, b \rangle / (\lVert a \rVert \lVert b \rVert)$, over all leaves.

    Between successive steps: near 1 the steps are short for the slope they follow, near -1 they bounce across it.

    Args:
        a: a pytree of arrays.
        b: a tree alike.

    Returns:
        () in [-1, 1], without unit; NaN where one of them is 0.

    Raises:
        ValueError: naming the first leaf where the two differ.
    """
    check_alike("gradient_cosine", a=a, b=b)
    return tree_dot(a, b) / (tree_norm(a) * tree_norm(b))


def distance_travelled(params: Tree, start: Tree) -> Tree:
    r"""How far each leaf is from where it started, $\lVert p_t - p_0 \rVert$; `tree_norm` of the result is the whole distance.

    Args:
        params: p_t, a pytree of arrays.
        start: p_0, a tree alike; where training donates its buffers, a copy of its own.

    Returns:
        A tree as `params` of (), in units of p.

    Raises:
        ValueError: naming the first leaf where the two differ.
    """
    check_alike("distance_travelled", params=params, start=start)
    return jax.tree.map(lambda p, q: tree_norm(wide(jnp.asarray(p)) - wide(jnp.asarray(q))), params, start)
