from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Fraction, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class QHAdam(ArrayRule):
    r"""QHAdam: Adam with a share of the newest gradient in both of its averages (Ma & Yarats 2019, ICLR, <https://arxiv.org/abs/1810.06801>, section 5).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    u_t &= -\eta\, \frac{(1-\nu_1) g_t + \nu_1 \hat m_t}{\sqrt{(1-\nu_2) g_t^2 + \nu_2 \hat v_t} + \epsilon}
    \end{aligned}$$

    nu_1 = nu_2 = 1 is Adam, nu_1 = 0 and nu_2 = 1 RMSprop, nu_1 = beta_1 and nu_2 = 1 much like NAdam.

    Args:
        learning_rate: eta > 0, in units of p: about the most that one parameter moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        nu1: nu_1 in [0, 1], without unit: how much of the numerator is memory.
        nu2: nu_2 in [0, 1], without unit: how much of the denominator is memory; below 1 it bounds the step.
        eps: epsilon >= 0, in units of g.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.995
    b2: Decay = 0.999
    nu1: Fraction = 0.7
    nu2: Fraction = 1.0
    eps: NonNegative = 1e-8

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        v = ema(memory.v, g**2, self.b2)
        m_hat = m / debias(self.b1, t)
        v_hat = v / debias(self.b2, t)
        numerator = (1 - self.nu1) * g + self.nu1 * m_hat
        denominator = safe_sqrt((1 - self.nu2) * g**2 + self.nu2 * v_hat) + self.eps
        return -self.learning_rate * numerator / denominator, self.Memory(m, v)
