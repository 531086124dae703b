from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class ACProp(ArrayRule):
    r"""ACProp: the gradient over the spread of the gradients before it (Zhuang et al. 2021, NeurIPS, <https://arxiv.org/abs/2110.05454>, Algorithm 2).

    $$\begin{aligned}
    u_t &= -\eta\, g_t / (\sqrt{\hat s_{t-1}} + \epsilon) \qquad \hat s_{t-1} = s_{t-1} / (1-\beta_2^{t-1}) \qquad \hat s_0 = 1 \\
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad s_t = \beta_2 s_{t-1} + (1-\beta_2) (g_t - m_t)^2 + \epsilon_0
    \end{aligned}$$

    Nothing is known of the spread at the first step: it is taken for 1, as in the authors' code. A parameter whose first
    gradients were zero has almost no spread, and its next step is huge; a larger eps is the remedy.

    Args:
        learning_rate: eta > 0, in units of p: about how far each parameter moves in a step (the first step: in p / g).
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): s remembers about 1 / (1 - b2) squared deviations from m.
        eps: epsilon >= 0, in units of g.
        eps_root: epsilon_0 >= 0, in units of g**2, added to s at every step, so that up to epsilon_0 / (1 - beta_2) gathers.
        centred_on: "new_mean": s measures the deviation from m_t, as in the paper; "old_mean": from m_{t-1}, as Optax
            does, which makes it 1 / beta_1**2 times as large and every step beta_1 times as long.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-16
    eps_root: NonNegative = 1e-16
    centred_on: Literal["new_mean", "old_mean"] = "new_mean"
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        s: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), s=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        correction = debias(self.b2, jnp.maximum(t - 1, 1), self.debias)
        s_hat = jnp.where(t == 1, 1, memory.s / correction)
        u = -self.learning_rate * g / (safe_sqrt(s_hat) + self.eps)
        m = ema(memory.m, g, self.b1)
        deviation = g - (m if self.centred_on == "new_mean" else memory.m)
        s = ema(memory.s, deviation**2, self.b2) + self.eps_root
        return u, self.Memory(m, s)
