from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class OptimisticAdam(ArrayRule):
    r"""Adam that expects its direction's last change to come again (Daskalakis et al. 2018, ICLR, <https://arxiv.org/abs/1711.00141>, Algorithm 1).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    d_t &= \hat m_t / (\sqrt{\hat v_t} + \epsilon) \qquad d_0 = 0 \\
    u_t &= -\eta\, (d_t + \beta (d_t - d_{t-1}))
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: about how far a parameter moves in a step once its direction is steady.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        optimism: beta >= 0, without unit: the share of the last change that is expected again; the paper's is 1.
        first: the first step: "double", d_0 = 0, as in the paper; "single", d_0 = d_1, as in Optax.
        nesterov: whether m looks ahead as in NAdam, as Optax's does unless told otherwise.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    optimism: NonNegative = 1.0
    first: Literal["double", "single"] = "double"
    nesterov: bool = False
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2
        d: Array  # shaped as p, without unit: the last direction

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p), d=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        v = ema(memory.v, g**2, self.b2)
        m_hat = m / debias(self.b1, t, self.debias)
        if self.nesterov:
            ahead = m / debias(self.b1, t + 1, self.debias)
            m_hat = ema(ahead, g / debias(self.b1, t, self.debias), self.b1)
        v_hat = v / debias(self.b2, t, self.debias)
        d = m_hat / (safe_sqrt(v_hat) + self.eps)
        change = d - memory.d if self.first == "double" else jnp.where(t == 1, 0, d - memory.d)
        return -self.learning_rate * (d + self.optimism * change), self.Memory(m, v, d)
