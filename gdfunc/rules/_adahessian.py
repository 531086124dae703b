from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import (
    Debias,
    Decay,
    Fraction,
    NonNegative,
    Rate,
    Tree,
    TreeRule,
    debias,
    ema,
    rule,
    safe_sqrt,
    tree_map,
)
from ._hutchinson import hessian_diagonal
from ._whole_tree import zeros_like


@rule
class AdaHessian(TreeRule):
    r"""Adam with the Hessian's diagonal where Adam has the gradient's square root (Yao et al. 2021, AAAI, <https://arxiv.org/abs/2006.00719>, Algorithm 1).

    $$\begin{aligned}
    D_t &= \mathrm{average}\big(z \odot (\nabla^2 f_t\, z)\big) \qquad z \in \{-1, 1\}^n \text{ at random} \\
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) D_t^2 \\
    u_t &= -\eta\, \frac{m_t / (1-\beta_1^t)}{\big(\sqrt{v_t / (1-\beta_2^t)}\big)^k + \epsilon}
    \end{aligned}$$

    It needs grad_fn, and a `key`, another one at every step; a step costs about three gradients.

    Args:
        learning_rate: eta >= 0; with k = 1 without unit, the share of a Newton step, with k = 0 a rate as any.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared diagonals.
        eps: epsilon >= 0, in units of g per unit of p, to the power k.
        hessian_power: k in [0, 1]: 1 as Newton's method, 0 as momentum alone.
        average: the axes over which D is averaged in arrays of three axes or more, a convolution's kernels:
            "leading", all but the last two (height, width, in, out, as in Flax); "trailing", all but the first two (out, in,
            height, width, as in PyTorch and the paper); "none".
        debias: how 1 - beta**t is computed: "exact", or "power", the literal expression.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where something needed is not given.
    """

    learning_rate: Rate = 0.15
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-4
    hessian_power: Fraction = 1.0
    average: Literal["leading", "trailing", "none"] = "leading"
    debias: Debias = "exact"

    needs = ("params", "grad_fn", "key")

    class Memory(NamedTuple):
        m: Tree  # shaped as params, in units of g
        v: Tree  # shaped as params, in units of (g per unit of p)**2

    def start(self, params):
        return self.Memory(m=zeros_like(params), v=zeros_like(params))

    def step(self, grads, memory, params, t, grad_fn, key):
        D = tree_map(self._averaged, hessian_diagonal(grad_fn, params, key))
        m = tree_map(lambda m, g: ema(m, g, self.b1), memory.m, grads)
        v = tree_map(lambda v, D: ema(v, D**2, self.b2), memory.v, D)
        m_correction = debias(self.b1, t, self.debias)
        v_correction = debias(self.b2, t, self.debias)

        def move(m, v):
            root = safe_sqrt(v / v_correction)
            # The derivative of 0**k is infinite.
            power = jnp.where(root > 0, jnp.where(root > 0, root, 1) ** self.hessian_power, 0)
            return -self.learning_rate * (m / m_correction) / (power + self.eps)

        return tree_map(move, m, v), self.Memory(m, v)

    def _averaged(self, D: Array) -> Array:
        if self.average == "none" or D.ndim < 3:
            return D
        axes = range(D.ndim - 2) if self.average == "leading" else range(2, D.ndim)
        return jnp.broadcast_to(jnp.mean(D, axis=tuple(axes), keepdims=True), D.shape)
