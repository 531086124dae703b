from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Tree, rule, safe_norm
from ._factor import clip_factor, clipped_and_norm


@rule
class ClipByLeafNorm(ArrayRule):
    r"""Scales the gradient of each array down to a norm of at most c, one array at a time (Pascanu, Mikolov & Bengio 2013, ICML, <https://arxiv.org/abs/1211.5063>, Algorithm 1, per array; Keras's `clipnorm`).

    $$g_l \leftarrow \min\!\Big(1, \frac{c}{\lVert g_l \rVert + \epsilon}\Big)\, g_l \qquad \text{for each leaf } l$$

    One exploding layer then leaves the others alone; the direction of the whole gradient changes.

    Args:
        max_norm: c >= 0, in units of the gradient: the most that the norm of a leaf may be.
        eps: epsilon >= 0, in units of the gradient: 0 in the paper; 1e-6 is PyTorch's function on one parameter.
        keep_norm: whether `state.memory.norm` holds the norms before clipping, a () array a leaf.

    Raises:
        ValueError: where `max_norm` or `eps` is negative or not finite.
    """

    max_norm: NonNegative
    eps: NonNegative = 0.0
    keep_norm: bool = False

    class Memory(NamedTuple):
        norm: Array  # (), norm before the last clipping, at least float32

    def start(self, p):
        return self.Memory(jnp.zeros(())) if self.keep_norm else ()

    def step(self, g, memory, p, t):
        norm = safe_norm(g)
        return clip_factor(norm, self.max_norm, self.eps) * g, self.Memory(norm) if self.keep_norm else ()


def clip_by_leaf_norm(grads: Tree, max_norm: Any, eps: Any = 0.0) -> tuple[Tree, Tree]:
    """`ClipByLeafNorm` as a function.

    Args:
        grads: a pytree of real floating-point arrays.
        max_norm: c >= 0, in units of the gradient.
        eps: epsilon >= 0, in units of the gradient.

    Returns:
        (clipped, norm): the clipped tree, and the norm of each leaf before, a tree of () arrays.

    Raises:
        ValueError: where a number is negative or not finite, or `grads` holds no real floating-point arrays.
    """
    return clipped_and_norm(ClipByLeafNorm(max_norm, eps, keep_norm=True), grads)
