from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class SimplifiedAdEMAMix(ArrayRule):
    r"""Simplified AdEMAMix: one long sum of gradients, and the newest gradient on top of it (Morwani, Vyas, Zhang & Kakade 2025, <https://arxiv.org/abs/2502.02431>, section 4).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    u_t &= -\eta \left( \frac{m_t + \alpha\, g_t}{\sqrt{\hat v_t} + \epsilon} + \lambda\, p_{t-1} \right)
    \end{aligned}$$

    m is a sum and not an average: at alpha = 0 this is Adam at the rate eta / (1 - beta_1), without the correction of m.

    Args:
        learning_rate: eta > 0, in units of p: a parameter moves up to 1 / (1 - b1) + alpha times as much in a step.
        b1: beta_1 in [0, 1): m sums about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        alpha: alpha >= 0, without unit: the newest gradient's weight beside the sum.
        eps: epsilon >= 0, in units of g.
        weight_decay: lambda >= 0, in 1 / p; multiplied by the rate. None for none, and params are not needed.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where decay needs params not given.
    """

    learning_rate: Rate
    b1: Decay = 0.99
    b2: Decay = 0.95
    alpha: NonNegative = 0.0
    eps: NonNegative = 1e-8
    weight_decay: NonNegative | None = None
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return () if self.weight_decay is None else ("params",)

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = self.b1 * memory.m + g
        v = ema(memory.v, g**2, self.b2)
        v_hat = v / debias(self.b2, t, self.debias)
        d = (m + self.alpha * g) / (safe_sqrt(v_hat) + self.eps)
        if self.weight_decay is not None:
            d = d + self.weight_decay * p
        return -self.learning_rate * d, self.Memory(m, v)
