from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Rate, rule


@rule
class OptimisticGradientDescent(ArrayRule):
    r"""Gradient descent that expects the gradient's last change to come again (Popov 1980; generalised: Mokhtari, Ozdaglar & Pattathil 2020, AISTATS, <https://arxiv.org/abs/1901.08511>).

    $$\begin{aligned}
    u_t &= -\eta\, (g_t + \beta (g_t - g_{t-1})) \qquad g_0 = g_1
    \end{aligned}$$

    On games, min over x and max over y, plain descent circles or diverges where this converges.

    Args:
        learning_rate: eta > 0, in units of p / g.
        optimism: beta >= 0, without unit: the share of the last change that is expected again; 0 is gradient descent.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    optimism: NonNegative = 1.0

    class Memory(NamedTuple):
        g: Array  # shaped as p: the last gradient

    def start(self, p):
        return self.Memory(g=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        change = jnp.where(t == 1, 0, g - memory.g)
        return -self.learning_rate * (g + self.optimism * change), self.Memory(g)
