from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Positive, Rate, debias, rule, safe_sqrt


@rule
class StableAdamW(ArrayRule):
    r"""StableAdamW: AdamW that steps less where the gradient has outgrown its average (Wortsman et al. 2023, NeurIPS, <https://arxiv.org/abs/2304.13013>, Algorithm 2).

    $$\begin{aligned}
    \hat\beta_i &= \beta_i (1-\beta_i^{t-1}) / (1-\beta_i^t) \\
    m_t &= \hat\beta_1 m_{t-1} + (1-\hat\beta_1) g_t \qquad v_t = \hat\beta_2 v_{t-1} + (1-\hat\beta_2) g_t^2 \\
    \mathrm{RMS}_t &= \sqrt{\mathrm{mean}\bigl(g_t^2 / \max(v_t, \epsilon^2)\bigr)} \qquad \eta_t = \eta / \max(1, \mathrm{RMS}_t) \\
    u_t &= -\eta_t \left( m_t / (\sqrt{v_t} + \epsilon) + \lambda\, p_{t-1} \right)
    \end{aligned}$$

    The mean is over one array, as in Adafactor's clipping of updates. With these beta hats m and v are Adam's
    averages already corrected.

    Args:
        learning_rate: eta > 0, in units of p: about the most that one parameter moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon > 0, in units of g.
        weight_decay: lambda >= 0, in 1 / p; multiplied by the rate.
        decay: "clipped_rate": the decay is eta_t lambda p, as in Algorithm 2; "rate": eta lambda p, as in the authors' code.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.99
    eps: Positive = 1e-6
    weight_decay: NonNegative = 0.2
    decay: Literal["clipped_rate", "rate"] = "clipped_rate"

    needs = ("params",)

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        # 1 - beta hat is (1 - beta) / (1 - beta**t): written so, no digits cancel.
        m = memory.m + (1 - self.b1) / debias(self.b1, t) * (g - memory.m)
        v = memory.v + (1 - self.b2) / debias(self.b2, t) * (g**2 - memory.v)
        rms = safe_sqrt(jnp.mean(g**2 / jnp.maximum(v, self.eps**2)))
        rate = self.learning_rate / jnp.maximum(1, rms)
        share = (rate if self.decay == "clipped_rate" else self.learning_rate) * self.weight_decay
        return -rate * m / (safe_sqrt(v) + self.eps) - share * p, self.Memory(m, v)
