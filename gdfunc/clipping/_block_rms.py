from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Tree, rule, safe_sqrt
from ._factor import clip_factor, clipped_and_norm


@rule
class ClipByBlockRMS(ArrayRule):
    r"""Scales the gradient of each array down to a root mean square of at most d (Shazeer & Stern 2018, ICML, <https://arxiv.org/abs/1804.04235>, section 6, update clipping).

    $$g_l \leftarrow \frac{g_l}{\max(1, \mathrm{RMS}(g_l) / d)}, \qquad
    \mathrm{RMS}(g_l)^2 = \frac1{|l|} \sum_{i \in l} g_{l,i}^2 \qquad \text{for each leaf } l$$

    As clipping by the leaf's norm, with a limit that grows with the square root of its size. In Adafactor it follows the
    division by the second moment, where an entry has RMS 1 by design.

    Args:
        max_rms: d >= 0, in units of the gradient: the most that the root mean square of a leaf may be.
        keep_norm: whether `state.memory.norm` holds the root mean squares before clipping, a () array a leaf.

    Raises:
        ValueError: where `max_rms` is negative or not finite.
    """

    max_rms: NonNegative
    keep_norm: bool = False

    class Memory(NamedTuple):
        norm: Array  # (), root mean square before the last clipping, at least float32

    def start(self, p):
        return self.Memory(jnp.zeros(())) if self.keep_norm else ()

    def step(self, g, memory, p, t):
        rms = safe_sqrt(jnp.sum(jnp.square(g)) / max(g.size, 1))
        return clip_factor(rms, self.max_rms) * g, self.Memory(rms) if self.keep_norm else ()


def clip_by_block_rms(grads: Tree, max_rms: Any) -> tuple[Tree, Tree]:
    """`ClipByBlockRMS` as a function.

    Args:
        grads: a pytree of real floating-point arrays.
        max_rms: d >= 0, in units of the gradient.

    Returns:
        (clipped, rms): the clipped tree, and the root mean square of each leaf before, a tree of () arrays.

    Raises:
        ValueError: where `max_rms` is negative or not finite, or `grads` holds no real floating-point arrays.
    """
    return clipped_and_norm(ClipByBlockRMS(max_rms, keep_norm=True), grads)
