from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

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
    safe_sqrt,
    tree_dot,
    tree_map,
)
from ._whole_tree import ratio, scalar_like, tree_l1, zeros_like


@rule
class DAdaptAdamW(TreeRule):
    r"""Adam whose rate is a lower bound, found on the way, on the distance to the minimum (Defazio & Mishchenko 2023, ICML, <https://arxiv.org/abs/2301.07733>).

    $$\begin{aligned}
    r_t &= \sqrt{\beta_2}\, r_{t-1} + (1-\sqrt{\beta_2})\, \gamma_t d_t \langle g_t, s_{t-1} / a_{t-1} \rangle
        \qquad a_t = \sqrt{v_t} + \epsilon \\
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) \gamma_t d_t g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    s_t &= \sqrt{\beta_2}\, s_{t-1} + (1-\sqrt{\beta_2})\, \gamma_t d_t g_t \\
    d_{t+1} &= \max\{d_t,\ r_t / ((1-\sqrt{\beta_2}) \lVert s_t \rVert_1)\} \\
    u_t &= -m_t / a_t - \gamma_t d_t \lambda\, p_{t-1}
    \end{aligned}$$

    Inner product and norm are those of the whole tree. The inner product is weighed by a_{t-1}, with which s_{t-1} had
    moved the parameters, as in the authors' code.

    Args:
        learning_rate: gamma >= 0, without unit: multiplies the rate found; 1, or a schedule that begins and ends there.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients, r and s about twice as many.
        eps: epsilon >= 0, in units of g.
        first_d: d_1 > 0, in units of p: smaller than any sensible rate; it grows by itself.
        weight_decay: lambda >= 0, in 1 / p: the share of p lost for every unit of rate.
        debias: "none", as published; "exact" or "power" multiply gamma_t by sqrt(1 - beta_2**t) / (1 - beta_1**t).

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate = 1.0
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    first_d: Positive = 1e-6
    weight_decay: NonNegative = 0.0
    debias: Debias = "none"

    needs = ("params",)

    class Memory(NamedTuple):
        m: Tree  # shaped as params, in units of p g
        v: Tree  # shaped as params, in units of g**2
        s: Tree  # shaped as params, in units of p g
        r: Array  # (), in units of p**2 g
        d: Array  # (), in units of p

    def start(self, params):
        zero, d = scalar_like(params, 0.0), scalar_like(params, self.first_d)
        return self.Memory(zeros_like(params), zeros_like(params), zeros_like(params), zero, d)

    def step(self, grads, memory, params, t):
        b3 = self.b2**0.5
        correction = debias(self.b2, t, self.debias) ** 0.5 / debias(self.b1, t, self.debias)
        rate = self.learning_rate * correction * memory.d
        way = tree_map(lambda s, v: ratio(s, safe_sqrt(v) + self.eps), memory.s, memory.v)
        r = ema(memory.r, rate * tree_dot(grads, way), b3)
        m = tree_map(lambda m, g: ema(m, rate * g, self.b1), memory.m, grads)
        v = tree_map(lambda v, g: ema(v, g**2, self.b2), memory.v, grads)
        s = tree_map(lambda s, g: ema(s, rate * g, b3), memory.s, grads)
        d_hat = ratio(r, (1 - b3) * tree_l1(s))
        d = jnp.maximum(memory.d, d_hat)
        updates = tree_map(lambda m, v, p: -m / (safe_sqrt(v) + self.eps) - rate * self.weight_decay * p, m, v, params)
        return updates, self.Memory(m, v, s, r, d)
