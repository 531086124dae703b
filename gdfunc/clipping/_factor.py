"""The one formula that every clipping by a norm shares."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from ..core import Rule, Tree


def clip_factor(norm: Array, limit: Any, eps: Any = 0.0) -> Array:
    r"""$\min(1, c / (n + \epsilon))$, the factor that brings a norm n down to c.

    At n + epsilon = 0 it is 1 (a zero gradient stays zero also where c = 0), and its derivatives are finite; a NaN stays
    NaN, so that a gradient that is not a number is seen in every parameter it would have scaled.

    Args:
        norm: n >= 0, any shape.
        limit: c >= 0, a number or shaped as `norm`.
        eps: epsilon >= 0, in units of the norm.

    Returns:
        The factor in [0, 1], shaped as `norm`.
    """
    # The quotient overflows at small norms and its derivative with it, hence the second where.
    fits = norm + eps <= limit
    return jnp.where(fits, 1.0, limit / jnp.where(fits, 1.0, norm + eps)).astype(norm.dtype)


def clipped_and_norm(rule: Rule, grads: Tree, params: Tree | None = None) -> tuple[Tree, Any]:
    """What `rule` makes of `grads` in one step, and the norm that it saw; `rule` keeps its norm."""
    clipped, state = rule.update(grads, rule.init(grads), params)
    return clipped, state.memory.norm
