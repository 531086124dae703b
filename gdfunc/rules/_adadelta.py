from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Positive, Rate, ema, rule, safe_sqrt


@rule
class Adadelta(ArrayRule):
    r"""Adadelta: the past steps' size over the past gradients' size, so that units agree (Zeiler 2012, <https://arxiv.org/abs/1212.5701>, Algorithm 1).

    $$\begin{aligned}
    s_t &= \rho s_{t-1} + (1-\rho) g_t^2 \\
    \Delta_t &= -\frac{\sqrt{x_{t-1} + \epsilon}}{\sqrt{s_t + \epsilon}}\, g_t \qquad
    x_t = \rho x_{t-1} + (1-\rho) \Delta_t^2 \\
    u_t &= \eta\, \Delta_t
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, without unit: 1 in the paper, which has none.
        rho: rho in [0, 1): both averages remember about 1 / (1 - rho) steps.
        eps: epsilon > 0, in units of g**2 and of p**2 at once: it starts the first step.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate = 1.0
    rho: Decay = 0.95
    eps: Positive = 1e-6

    class Memory(NamedTuple):
        s: Array  # shaped as p, in units of g**2
        x: Array  # shaped as p, in units of p**2

    def start(self, p):
        return self.Memory(s=jnp.zeros_like(p), x=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        s = ema(memory.s, g**2, self.rho)
        delta = -safe_sqrt(memory.x + self.eps) / safe_sqrt(s + self.eps) * g
        x = ema(memory.x, delta**2, self.rho)
        return self.learning_rate * delta, self.Memory(s, x)
