from typing import Literal, NamedTuple

import jax.numpy as jnp

from ..core import (
    Debias,
    Decay,
    NonNegative,
    Positive,
    Rate,
    Tree,
    TreeRule,
    debias,
    ema,
    rule,
    safe_norm,
    safe_sqrt,
    tree_map,
)
from ._whole_tree import copies, zeros_like


@rule
class MARS(TreeRule):
    r"""AdamW on gradients whose variance is reduced by their change since the last step (Yuan et al. 2024, <https://arxiv.org/abs/2411.10438>, Algorithm 2, MARS-AdamW).

    $$\begin{aligned}
    c_t &= g_t + \gamma \frac{\beta_1}{1-\beta_1} (g_t - g'_{t-1}) \qquad
        \tilde c_t = c_t / \max\{1, \lVert c_t \rVert\} \\
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) \tilde c_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) \tilde c_t^2 \\
    u_t &= -\eta \left( \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon} + \lambda\, p_{t-1} \right)
    \end{aligned}$$

    The norm is that of one leaf. At the first step there is no change, and c is g.

    Args:
        learning_rate: eta >= 0, in units of p: about the most that one of them moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        gamma: gamma >= 0, without unit: how much of the change is added; 0 is AdamW, 1 full variance reduction (STORM).
        eps: epsilon >= 0, in units of g.
        max_norm: the most that a leaf's c may measure, > 0, in units of g; 1 in the paper.
        weight_decay: lambda >= 0, in 1 / p: the share of p lost for every unit of rate.
        change: what g'_{t-1} is: "approximate", the last gradient, on its own batch; "exact", the gradient of this batch
            at the last parameters, which takes grad_fn and twice the work.
        debias: how 1 - beta**t is computed: "exact", or "power", the literal expression.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where something needed is not given.
    """

    learning_rate: Rate
    b1: Decay = 0.95
    b2: Decay = 0.99
    gamma: NonNegative = 0.025
    eps: NonNegative = 1e-8
    max_norm: Positive = 1.0
    weight_decay: NonNegative = 0.0
    change: Literal["approximate", "exact"] = "approximate"
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Tree  # shaped as params, in units of g
        v: Tree  # shaped as params, in units of g**2
        last: Tree  # shaped as params: the last gradients ("approximate") or parameters ("exact")

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("params", "grad_fn") if self.change == "exact" else ("params",)

    def start(self, params):
        return self.Memory(zeros_like(params), zeros_like(params), copies(params))

    def step(self, grads, memory, params, t, grad_fn=None):
        before = memory.last if grad_fn is None else grad_fn(memory.last)
        scale = jnp.where(t == 1, 0, self.gamma * self.b1 / (1 - self.b1))
        c = tree_map(lambda g, old: g + scale * (g - old), grads, before)
        c = tree_map(lambda c: c / jnp.maximum(1, safe_norm(c) / self.max_norm), c)
        m = tree_map(lambda m, c: ema(m, c, self.b1), memory.m, c)
        v = tree_map(lambda v, c: ema(v, c**2, self.b2), memory.v, c)
        m_correction = debias(self.b1, t, self.debias)
        v_correction = debias(self.b2, t, self.debias)

        def move(m, v, p):
            adam = (m / m_correction) / (safe_sqrt(v / v_correction) + self.eps)
            return -self.learning_rate * (adam + self.weight_decay * p)

        return tree_map(move, m, v, params), self.Memory(m, v, grads if grad_fn is None else params)
