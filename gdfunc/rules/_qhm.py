from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Fraction, Rate, ema, rule


@rule
class QHM(ArrayRule):
    r"""Quasi-hyperbolic momentum: a mean of plain descent and momentum (Ma & Yarats 2019, ICLR, <https://arxiv.org/abs/1810.06801>, eq. 3-4).

    $$\begin{aligned}
    m_t &= \beta\, m_{t-1} + (1-\beta) g_t \\
    u_t &= -\eta \left( (1-\nu) g_t + \nu\, m_t \right)
    \end{aligned}$$

    nu = 0 is plain descent, nu = 1 momentum and nu = beta Nesterov's, both with m an average and not a sum.

    Args:
        learning_rate: eta > 0, in units of p / g; 1 / (1 - beta) times the rate of SGD with momentum.
        beta: beta in [0, 1): m remembers about 1 / (1 - beta) gradients.
        nu: nu in [0, 1], without unit: how much of the step is memory.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    beta: Decay = 0.999
    nu: Fraction = 0.7

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.beta)
        d = (1 - self.nu) * g + self.nu * m
        return -self.learning_rate * d, self.Memory(m)
