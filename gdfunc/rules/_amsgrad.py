from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class AMSGrad(ArrayRule):
    r"""Adam whose denominator never falls (Reddi, Kale & Kumar 2018, ICLR, <https://arxiv.org/abs/1904.09237>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat v_t &= \max(\hat v_{t-1}, v_t) \\
    u_t &= -\eta\, m_t / (\sqrt{\hat v_t} + \epsilon)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g. The paper prints none.
        correction: "none", as in the paper; "before_max": m and v are divided by 1 - beta**t, and the maximum is taken
            of the corrected v, as in Optax; "after_max": the maximum of the raw v is corrected, as in PyTorch.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    correction: Literal["none", "before_max", "after_max"] = "none"
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2
        v_max: Array  # shaped as p, in units of g**2; never falls

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p), v_max=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m_correction = debias(self.b1, t, self.debias if self.correction != "none" else "none")
        v_correction = debias(self.b2, t, self.debias if self.correction != "none" else "none")
        m = ema(memory.m, g, self.b1)
        v = ema(memory.v, g**2, self.b2)
        v_max = jnp.maximum(memory.v_max, v / v_correction if self.correction == "before_max" else v)
        v_hat = v_max / v_correction if self.correction == "after_max" else v_max
        u = -self.learning_rate * (m / m_correction) / (safe_sqrt(v_hat) + self.eps)
        return u, self.Memory(m, v, v_max)
