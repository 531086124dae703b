from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Tree, rule
from ._factor import clipped_and_norm


@rule
class ClipByValue(ArrayRule):
    r"""Clips every entry of the gradient to an interval about 0 (Mikolov 2012, PhD thesis, Brno, <http://www.fit.vutbr.cz/~imikolov/rnnlm/thesis.pdf>).

    $$g_i \leftarrow \max(-c, \min(c, g_i))$$

    Changes the direction of the gradient, which clipping by a norm does not. NaN stays NaN; an infinity becomes c.

    Args:
        max_value: c >= 0, in units of the gradient: the most that an entry may be.
        keep_norm: whether `state.memory.norm` holds the largest |g_i| before clipping, a () array a leaf.

    Raises:
        ValueError: where `max_value` is negative or not finite.
    """

    max_value: NonNegative
    keep_norm: bool = False

    class Memory(NamedTuple):
        norm: Array  # (), largest absolute entry before the last clipping, at least float32

    def start(self, p):
        return self.Memory(jnp.zeros(())) if self.keep_norm else ()

    def step(self, g, memory, p, t):
        clipped = jnp.clip(g, -self.max_value, self.max_value)
        return clipped, self.Memory(jnp.max(jnp.abs(g), initial=0.0)) if self.keep_norm else ()


def clip_by_value(grads: Tree, max_value: Any) -> tuple[Tree, Tree]:
    """`ClipByValue` as a function.

    Args:
        grads: a pytree of real floating-point arrays.
        max_value: c >= 0, in units of the gradient.

    Returns:
        (clipped, norm): the clipped tree, and the largest |g_i| of each leaf before, a tree of () arrays.

    Raises:
        ValueError: where `max_value` is negative or not finite, or `grads` holds no real floating-point arrays.
    """
    return clipped_and_norm(ClipByValue(max_value, keep_norm=True), grads)
