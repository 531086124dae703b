from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class Yogi(ArrayRule):
    r"""Yogi: Adam whose average of squares changes by no more than the newest square (Zaheer et al. 2018, NeurIPS, <https://papers.nips.cc/paper/8186-adaptive-methods-for-nonconvex-optimization>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \\
    v_t &= v_{t-1} - (1-\beta_2)\, \mathrm{sign}(v_{t-1} - g_t^2)\, g_t^2 \\
    u_t &= -\eta\, m_t / (\sqrt{v_t} + \epsilon)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v moves by the share 1 - b2 of the newest square, towards it.
        eps: epsilon >= 0, in units of g: gradients far below it move less.
        initial: where m and v start: "zero", as in Algorithm 2; "tiny", both at 1e-6, as in Optax: then a parameter moves
            though its gradient has always been zero.
        debias: "none", as published; "exact" or "power" divide m and v by 1 - beta**t, as Adam does.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-3
    initial: Literal["zero", "tiny"] = "zero"
    debias: Debias = "none"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        value = 0.0 if self.initial == "zero" else 1e-6
        return self.Memory(m=jnp.full_like(p, value), v=jnp.full_like(p, value))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        v = memory.v - (1 - self.b2) * jnp.sign(memory.v - g**2) * g**2
        m_hat = m / debias(self.b1, t, self.debias)
        v_hat = v / debias(self.b2, t, self.debias)
        return -self.learning_rate * m_hat / (safe_sqrt(v_hat) + self.eps), self.Memory(m, v)
