from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Rate, ema, rule


@rule
class Signum(ArrayRule):
    r"""The sign of the gradient's average (Bernstein, Wang, Azizzadenesheli & Anandkumar 2018, ICML, <https://arxiv.org/abs/1802.04434>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta m_{t-1} + (1-\beta) g_t \\
    u_t &= -\eta\, \mathrm{sign}(m_t)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: how far every parameter moves in a step.
        beta: beta in [0, 1): m remembers about 1 / (1 - beta) gradients.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    beta: Decay = 0.9

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.beta)
        return -self.learning_rate * jnp.sign(m), self.Memory(m)
