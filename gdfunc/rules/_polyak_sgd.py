from typing import Literal

import jax.numpy as jnp

from ..core import NonNegative, Positive, Scalar, TreeRule, rule, tree_dot, tree_scale
from ._whole_tree import ratio


@rule
class PolyakSGD(TreeRule):
    r"""Gradient descent whose rate is the loss's height above its minimum over the squared gradient (Loizou et al. 2021, AISTATS, <https://arxiv.org/abs/2002.10542>, SPS_max).

    $$\begin{aligned}
    \eta_t &= \min\left\{ \frac{f_t(p) - f^*}{c\, \lVert g_t \rVert^2 + \epsilon},\ \eta_{\max} \right\} \\
    u_t &= -\eta_t\, g_t
    \end{aligned}$$

    The norm is that of the whole tree. It needs the loss of the batch, `value`.

    Args:
        max_learning_rate: eta_max > 0, in units of p per unit of g: the most that the rate may be.
        f_min: f*, in units of the loss: the least that a batch's loss can be; 0 for most losses of a network that can
            fit its data.
        c: c > 0, without unit: 1/2 is best where the loss is strongly convex, 1 is Polyak's own; larger steps less far.
        eps: epsilon >= 0, in units of g**2: gradients far below its root are stepped along less.
        variant: "sps", as published; "sps+" takes a loss below f_min as f_min and then stays, where "sps" climbs back.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where the value is not given.
    """

    max_learning_rate: Positive = 1.0
    f_min: Scalar = 0.0
    c: Positive = 0.5
    eps: NonNegative = 0.0
    variant: Literal["sps", "sps+"] = "sps"

    needs = ("value",)

    def step(self, grads, memory, params, t, value):
        gap = value - self.f_min
        if self.variant == "sps+":
            gap = jnp.maximum(gap, 0)
        denominator = self.c * tree_dot(grads, grads) + self.eps
        eta = jnp.minimum(ratio(gap, denominator), self.max_learning_rate)
        return tree_scale(-eta, grads), memory
