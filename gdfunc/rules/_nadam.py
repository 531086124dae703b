from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class NAdam(ArrayRule):
    r"""Adam with Nesterov's momentum, which grows by a schedule (Dozat 2016, ICLR workshop, <https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ>, Algorithm 2).

    $$\begin{aligned}
    \mu_t &= \beta_1 (1 - \tfrac12\, 0.96^{\psi t}) \qquad \Pi_t = \prod_{i \le t} \mu_i \\
    m_t &= \mu_t m_{t-1} + (1-\mu_t) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= \frac{\mu_{t+1} m_t}{1-\Pi_{t+1}} + \frac{(1-\mu_t) g_t}{1-\Pi_t} \qquad
    \hat v_t = \frac{\beta_2 v_t}{1-\beta_2^t} \\
    u_t &= -\eta\, \hat m_t / (\sqrt{\hat v_t} + \epsilon)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: about the most that a parameter moves in a step.
        b1: beta_1 in [0, 1): where the momentum mu ends.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        momentum_decay: psi >= 0, in 1 / step: how fast mu grows from b1 / 2 to b1.
        momentum: "scheduled", as in the paper; "constant": mu_t = beta_1, as in Optax.
        average: "scheduled": m averages with mu_t, as in the paper; "constant": with beta_1, as in PyTorch.
        b2_factor: whether v_hat keeps the paper's factor beta_2, which every implementation drops.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    momentum_decay: NonNegative = 0.004
    momentum: Literal["scheduled", "constant"] = "scheduled"
    average: Literal["scheduled", "constant"] = "scheduled"
    b2_factor: bool = True
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2
        product: Array | None  # (), the product of mu_1 ... mu_t; None where mu is constant

    def start(self, p):
        product = jnp.ones(()) if self.momentum == "scheduled" else None
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p), product=product)

    def step(self, g, memory, p, t):
        if self.momentum == "scheduled":
            mu = self.b1 * (1 - 0.5 * 0.96 ** (self.momentum_decay * t))
            mu_next = self.b1 * (1 - 0.5 * 0.96 ** (self.momentum_decay * (t + 1)))
            product = memory.product * mu
            g_correction, m_correction = 1 - product, 1 - product * mu_next
        else:
            mu, mu_next, product = self.b1, self.b1, None
            g_correction, m_correction = debias(self.b1, t, self.debias), debias(self.b1, t + 1, self.debias)
        m = ema(memory.m, g, mu if self.average == "scheduled" else self.b1)
        v = ema(memory.v, g**2, self.b2)
        m_hat = mu_next * (m / m_correction) + (1 - mu) * (g / g_correction)
        v_hat = (self.b2 if self.b2_factor else 1) * (v / debias(self.b2, t, self.debias))
        u = -self.learning_rate * m_hat / (safe_sqrt(v_hat) + self.eps)
        return u, self.Memory(m, v, product)
