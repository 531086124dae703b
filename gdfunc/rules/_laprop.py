from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Positive, Rate, debias, ema, rule, safe_sqrt


@rule
class LaProp(ArrayRule):
    r"""LaProp: Adam that divides each gradient first and averages then (Ziyin, Wang & Ueda 2020, <https://arxiv.org/abs/2002.04839>, Algorithm 1).

    $$\begin{aligned}
    v_t &= \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t / (\sqrt{\hat v_t} + \epsilon) \\
    u_t &= -\eta\, m_t / (1-\beta_1^t)
    \end{aligned}$$

    A divided gradient is never divided again, so any b1 goes with any b2; Adam needs b1 below the root of b2. The paper
    writes mu for beta_1 and nu for beta_2.

    Args:
        learning_rate: eta > 0, in units of p: about the most that one parameter moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) divided gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon > 0, in units of g.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: Positive = 1e-15

    class Memory(NamedTuple):
        m: Array  # shaped as p, without unit
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        v = ema(memory.v, g**2, self.b2)
        v_hat = v / debias(self.b2, t)
        d = g / (safe_sqrt(v_hat) + self.eps)
        m = ema(memory.m, d, self.b1)
        m_hat = m / debias(self.b1, t)
        return -self.learning_rate * m_hat, self.Memory(m, v)
