from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Rate, Tree, rule
from ._schedule_free import Interpolation, WeightBy, average, averages, share


@rule
class ScheduleFreeSGD(ArrayRule):
    r"""Schedule-free gradient descent, which needs no falling rate (Defazio et al. 2024, NeurIPS, <https://arxiv.org/abs/2405.15682>, eq. 3-5).

    $$\begin{aligned}
    z_{t+1} &= z_t - \gamma_t (\nabla f(y_t) + \lambda y_t) \\
    x_{t+1} &= (1 - c_{t+1})\, x_t + c_{t+1} z_{t+1} \qquad c_{t+1} = \gamma_t^r \Big/ \sum_{i \le t} \gamma_i^r \\
    y_{t+1} &= (1-\beta)\, z_{t+1} + \beta\, x_{t+1}
    \end{aligned}$$

    The parameters are y; test with x, `evaluation_params(rule, state, params)`. Around any other rule: `ScheduleFree`.

    Args:
        learning_rate: gamma > 0, in units of p / g: about twice as large as with a schedule; a warm-up is welcome.
        b1: beta in (0, 1]: how near y is to x; 0.9 to 0.98 in the paper.
        weight_decay: lambda >= 0, in units of g / p.
        weight_power: r >= 0: 2 in the paper; 0 weighs all steps alike.
        weights: what r is the power of: "rate", gamma_t, as in Algorithm 1; "largest_rate", the largest so far, as in the
            authors' code and Optax.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` without params.
    """

    learning_rate: Rate
    b1: Interpolation = 0.9
    weight_decay: NonNegative = 0.0
    weight_power: NonNegative = 2.0
    weights: WeightBy = "rate"

    needs = ("params",)

    class Memory(NamedTuple):
        z: Array  # shaped as p, in units of p
        total: Array  # (), sum of gamma**r
        largest: Array | None  # (), the largest gamma so far; None with weights="rate"

    def start(self, p):
        largest = jnp.zeros(()) if self.weights == "largest_rate" else None
        return self.Memory(z=jnp.array(p, copy=True), total=jnp.zeros(()), largest=largest)

    def step(self, g, memory, p, t):
        d = -self.learning_rate * (g + self.weight_decay * p)
        c, total, largest = share(self, self.learning_rate, memory)
        u, z = average(self.b1, c, p, memory.z, d)
        return u, self.Memory(z, total, largest)

    def evaluation_params(self, state, params: Tree) -> Tree:
        """The average x."""
        return averages(self.at(state.step), state, params)
