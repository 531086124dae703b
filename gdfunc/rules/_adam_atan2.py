from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Positive, Rate, debias, ema, rule, safe_sqrt


@rule
class AdamAtan2(ArrayRule):
    r"""Adam without an epsilon: the angle takes the place of the quotient (Everett et al. 2024, ICML, <https://arxiv.org/abs/2407.05872>, Adam-atan2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    u_t &= -\eta\, a\, \mathrm{atan2}(\hat m_t,\; b \sqrt{\hat v_t})
    \end{aligned}$$

    atan2(x, y) is x / y where that is small, never more than pi / 2, and 0 at (0, 0). A constant factor on every gradient
    changes nothing, however small they are.

    Args:
        learning_rate: eta > 0, in units of p: a parameter moves at most a pi / 2 times as much in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        a: a > 0, without unit: a factor on the step. a = 4 / pi, about 1.27, makes the first step eta, as Adam's is.
        b: b > 0, without unit: the step is a / b times Adam's where Adam's is well below b eta. a = b large is Adam.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    a: Positive = 1.0
    b: Positive = 1.0

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
        nothing = (m_hat == 0) & (v_hat == 0)  # there atan2 is 0, and its derivatives are not defined
        angle = jnp.arctan2(m_hat, jnp.where(nothing, 1, self.b * safe_sqrt(v_hat)))
        return -self.learning_rate * self.a * angle, self.Memory(m, v)
