from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import NonNegative, Tree, TreeRule, rule, tree_norm, tree_scale
from ._factor import clip_factor, clipped_and_norm


@rule
class ClipByGlobalNorm(TreeRule):
    r"""Scales the whole gradient down to a norm of at most c (Pascanu, Mikolov & Bengio 2013, ICML, <https://arxiv.org/abs/1211.5063>, Algorithm 1).

    $$g \leftarrow \min\!\Big(1, \frac{c}{\lVert g \rVert + \epsilon}\Big)\, g, \qquad
    \lVert g \rVert^2 = \sum_{\text{leaves}} \sum_i g_i^2$$

    The direction is kept. A NaN or an infinity anywhere makes the norm non-finite: after a NaN every entry is NaN, after
    an infinity that entry is NaN and the others are 0; see `skip_non_finite`. In float32 the norm overflows once an
    entry exceeds about 1e19, and the result is then 0.

    Args:
        max_norm: c >= 0, in units of the gradient: the most that the norm may be.
        eps: epsilon >= 0, in units of the gradient: 0 in the paper and in Optax, 1e-6 in PyTorch, whose clipped gradients
            are smaller by a relative epsilon / norm, 6e-7 at a norm of 1.6.
        keep_norm: whether `state.memory.norm` holds the norm before clipping, a () array.

    Raises:
        ValueError: where `max_norm` or `eps` is negative or not finite.
    """

    max_norm: NonNegative
    eps: NonNegative = 0.0
    keep_norm: bool = False

    class Memory(NamedTuple):
        norm: Array  # (), norm before the last clipping, at least float32

    def start(self, params):
        if not self.keep_norm:
            return ()
        return self.Memory(jnp.zeros((), jnp.result_type(jnp.float32, *jax.tree.leaves(params))))

    def step(self, grads, memory, params, t):
        norm = tree_norm(grads)
        clipped = tree_scale(clip_factor(norm, self.max_norm, self.eps), grads)
        return clipped, self.Memory(norm) if self.keep_norm else ()


def clip_by_global_norm(grads: Tree, max_norm: Any, eps: Any = 0.0) -> tuple[Tree, Array]:
    """`ClipByGlobalNorm` as a function.

    Args:
        grads: a pytree of real floating-point arrays.
        max_norm: c >= 0, in units of the gradient.
        eps: epsilon >= 0, in units of the gradient; 1e-6 in PyTorch.

    Returns:
        (clipped, norm): the clipped tree, and the norm before, ().

    Raises:
        ValueError: where a number is negative or not finite, or `grads` holds no real floating-point arrays.
    """
    return clipped_and_norm(ClipByGlobalNorm(max_norm, eps, keep_norm=True), grads)
