from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Rate, ema, rule


@rule
class ASGD(ArrayRule):
    r"""Averaged descent: the mean of the iterates is the answer (Polyak & Juditsky 1992, SIAM J. Control Optim. 30(4), <https://doi.org/10.1137/0330046>; rate and decay: Xu 2011, <https://arxiv.org/abs/1107.2490>).

    $$\begin{aligned}
    \eta_t &= \eta / (1 + \lambda \eta (t-1))^{\alpha} \qquad u_t = -\eta_t (g_t + \lambda\, p_{t-1}) \\
    \mu_t &= 1 / \max(1,\, t - 1 - t_0) \qquad \bar p_t = \bar p_{t-1} + \mu_t (p_{t-1} + u_t - \bar p_{t-1})
    \end{aligned}$$

    The updates are those of descent; the average is kept beside them, in the state: `state.memory.average`. Until
    step t_0 + 2 it is just the newest iterate.

    Args:
        learning_rate: eta > 0, in units of p / g: the rate of the first step.
        decay: lambda >= 0, in units of g / p: both the weight of the L2 penalty and, times eta, how fast the rate falls.
        power: alpha >= 0, without unit: how the rate falls; 0 for a constant one, above 1/2 and below 1 for the theory.
        average_from: t_0 >= 0, in steps: how many steps before the average begins; PyTorch's 1e6 means never, in most runs.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate = 1e-2
    decay: NonNegative = 1e-4
    power: NonNegative = 0.75
    average_from: NonNegative = 1e6

    needs = ("params",)

    class Memory(NamedTuple):
        average: Array  # shaped as p, in units of p

    def start(self, p):
        return self.Memory(average=jnp.array(p, copy=True))

    def step(self, g, memory, p, t):
        rate = self.learning_rate / (1 + self.decay * self.learning_rate * (t - 1)) ** self.power
        u = -rate * (g + self.decay * p)
        share = 1 / jnp.maximum(1, t - 1 - self.average_from)
        return u, self.Memory(ema(memory.average, p + u, 1 - share))
