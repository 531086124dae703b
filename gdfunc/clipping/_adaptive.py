from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Tree, rule, safe_norm
from ._factor import clip_factor, clipped_and_norm


@rule
class AdaptiveClip(ArrayRule):
    r"""Adaptive gradient clipping (AGC): no unit's gradient may exceed a share of the unit's weights (Brock, De, Smith & Simonyan 2021, ICML, <https://arxiv.org/abs/2102.06171>, section 4.1).

    $$G_i \leftarrow \min\!\Big(1, \lambda \frac{\lVert W_i \rVert^\star_F}{\lVert G_i \rVert_F}\Big)\, G_i, \qquad
    \lVert W_i \rVert^\star_F = \max(\lVert W_i \rVert_F, \epsilon)$$

    A unit i is what feeds one output: all entries with one index on the unit axis. A bias or a scalar is one unit. The
    authors leave the last linear layer out: `by_path` or `masked` does that.

    Args:
        clipping: lambda >= 0, no unit: the largest ratio of gradient norm to weight norm. The paper takes 0.01 at a batch
            of 4096, and more at smaller ones.
        eps: epsilon >= 0, in units of the weights: lets units move that start at 0.
        unit_axis: where an array's outputs lie: "last", kernels (in, out) and (height, width, in, out) as in Flax and
            Optax; "first", weights (out, in) and (out, in, height, width) as in the paper's rows and PyTorch. The wrong
            one still clips, by other norms, and raises no error.
        keep_norm: whether `state.memory.norm` holds the units' norms before clipping: of each leaf an array with its
            number of axes, of size 1 but for the unit axis.

    Raises:
        ValueError: where a number is negative or not finite; from `update`, without parameters.
    """

    needs = ("params",)

    clipping: NonNegative
    eps: NonNegative = 1e-3
    unit_axis: Literal["last", "first"] = "last"
    keep_norm: bool = False

    class Memory(NamedTuple):
        norm: Array  # (1, ..., 1, units), norm of each unit before the last clipping, at least float32

    def start(self, p):
        return self.Memory(jnp.zeros_like(self._unit_norm(p))) if self.keep_norm else ()

    def step(self, g, memory, p, t):
        norm = self._unit_norm(g)
        limit = self.clipping * jnp.maximum(self._unit_norm(p), self.eps)
        return clip_factor(norm, limit) * g, self.Memory(norm) if self.keep_norm else ()

    def _unit_norm(self, x: Array) -> Array:
        if x.ndim < 2:
            return safe_norm(x, keepdims=True)
        axes = tuple(range(x.ndim - 1)) if self.unit_axis == "last" else tuple(range(1, x.ndim))
        return safe_norm(x, axis=axes, keepdims=True)


def adaptive_clip(
    grads: Tree, params: Tree, clipping: Any, eps: Any = 1e-3, unit_axis: Literal["last", "first"] = "last"
) -> tuple[Tree, Tree]:
    """`AdaptiveClip` as a function.

    Args:
        grads: a pytree of real floating-point arrays.
        params: the parameters, a pytree alike.
        clipping: lambda >= 0, no unit.
        eps: epsilon >= 0, in units of the weights.
        unit_axis: "last" for kernels (in, out), "first" for weights (out, in).

    Returns:
        (clipped, norm): the clipped tree, and each leaf's units' norms before, of size 1 but for the unit axis.

    Raises:
        ValueError: where a number leaves its range, or naming the leaf where gradients and parameters differ.
    """
    return clipped_and_norm(AdaptiveClip(clipping, eps, unit_axis, keep_norm=True), grads, params)
