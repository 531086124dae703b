from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Positive, Rate, ema, rule, safe_sqrt


@rule
class ADOPT(ArrayRule):
    r"""ADOPT: Adam that divides before it averages, and by what it knew before this gradient (Taniguchi et al. 2024, NeurIPS, <https://arxiv.org/abs/2411.02853>, Algorithm 2).

    $$\begin{aligned}
    d_t &= \mathrm{clip}\bigl(g_t / \max(\sqrt{v_{t-1}}, \epsilon),\; \pm c_t\bigr) \qquad c_t = (t-1)^{1/4} \\
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) d_t \qquad u_t = -\eta\, m_t \\
    v_t &= \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \qquad \text{first step: } v_1 = g_1^2,\; m_1 = 0
    \end{aligned}$$

    The first gradient moves nothing: it only sets v. The paper calls it g_0, so its step t is t + 1 here.

    Args:
        learning_rate: eta > 0, in units of p: about how far each parameter moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) divided gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients; any value converges.
        eps: epsilon > 0, in units of g: the least that a gradient is divided by.
        clipping: whether to bound the divided gradient by c_t, which keeps a gradient near zero at the start from making
            the next step huge; False is the paper's Algorithm 1.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.9999
    eps: Positive = 1e-6
    clipping: bool = True

    class Memory(NamedTuple):
        m: Array  # shaped as p, without unit
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        first = t == 1
        d = g / jnp.maximum(safe_sqrt(memory.v), self.eps)
        if self.clipping:
            c = (t - 1) ** 0.25
            d = jnp.clip(d, -c, c)
        m = ema(memory.m, jnp.where(first, 0, d), self.b1)
        v = jnp.where(first, g**2, ema(memory.v, g**2, self.b2))
        return -self.learning_rate * m, self.Memory(m, v)
