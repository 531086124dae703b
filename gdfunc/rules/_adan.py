from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class Adan(ArrayRule):
    r"""Adan: Adam with Nesterov's look ahead made from the gradient's change (Xie et al. 2022, arXiv, <https://arxiv.org/abs/2208.06677>, Algorithm 1).

    $$\begin{aligned}
    \Delta_t &= g_t - g_{t-1} \\
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad m_1 = g_1 \\
    v_t &= \beta_2 v_{t-1} + (1-\beta_2) \Delta_t \qquad v_1 = 0 \quad v_2 = \Delta_2 \\
    n_t &= \beta_3 n_{t-1} + (1-\beta_3) (g_t + \beta_2 \Delta_t)^2 \qquad n_1 = g_1^2 \\
    p_t &= \frac{1}{1 + \lambda \eta} \left( p_{t-1} - \eta\, \frac{m_t + \beta_2 v_t}{\sqrt{n_t} + \epsilon} \right) \\
    u_t &= p_t - p_{t-1}
    \end{aligned}$$

    The paper writes 1 - beta for each beta, and counts from 0.

    Args:
        learning_rate: eta > 0, in units of p: about the most that a parameter moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) changes of the gradient, and counts by b2.
        b3: beta_3 in [0, 1): n remembers about 1 / (1 - b3) squares.
        eps: epsilon >= 0, in units of g.
        weight_decay: lambda >= 0, in 1 / p. None for none, and params are not needed; the paper's experiments have 0.02.
        decay: "proximal": p is divided by 1 + lambda eta, as in the paper; "rate": eta lambda p is subtracted, as in Optax.
        change_weight: how much the change counts: "b2", as in the paper; "1 - b2", as in Optax.
        debias: how the averages begin: "first": with their first value, as in Algorithm 1; "exact" or "power": at zero, divided
            by 1 - beta**t, as in the authors' program; Optax has "power".

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where decay needs params not given.

    The restarts of Algorithm 1 are left out.
    """

    learning_rate: Rate
    b1: Decay = 0.98
    b2: Decay = 0.92
    b3: Decay = 0.99
    eps: NonNegative = 1e-8
    weight_decay: NonNegative | None = None
    decay: Literal["proximal", "rate"] = "proximal"
    change_weight: Literal["b2", "1 - b2"] = "b2"
    debias: Literal["first", "exact", "power"] = "first"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g
        n: Array  # shaped as p, in units of g**2
        g: Array  # shaped as p: the last gradient

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return () if self.weight_decay is None else ("params",)

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p), n=jnp.zeros_like(p), g=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        weight = self.b2 if self.change_weight == "b2" else 1 - self.b2
        change = jnp.where(t == 1, 0, g - memory.g)
        m, m_hat = self._average(memory.m, g, self.b1, t, first=1)
        v, v_hat = self._average(memory.v, change, self.b2, t, first=2)
        n, n_hat = self._average(memory.n, (g + weight * change) ** 2, self.b3, t, first=1)
        u = -self.learning_rate * (m_hat + weight * v_hat) / (safe_sqrt(n_hat) + self.eps)
        if self.weight_decay is not None:
            share = self.learning_rate * self.weight_decay
            u = (u - share * p) / (1 + share) if self.decay == "proximal" else u - share * p
        return u, self.Memory(m, v, n, g)

    def _average(self, x, new, decay, t, first):
        """The average to remember, and the one to use; `first` is the step that brings its first value."""
        if self.debias == "first":
            x = jnp.where(t <= first, new, ema(x, new, decay))
            return x, x
        x = ema(x, new, decay)
        return x, x / debias(decay, t, self.debias)
