from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Rate, rule


@rule
class HeavyBall(ArrayRule):
    r"""The heavy ball: a step down the gradient and a share of the last step again (Polyak 1964, USSR Comput. Math. Math. Phys. 4(5), <https://doi.org/10.1016/0041-5553(64)90137-5>).

    $$u_t = -\eta\, g_t + \beta (p_{t-1} - p_{t-2}) = -\eta\, g_t + \beta\, u_{t-1}$$

    On a quadratic with curvatures from m to L the best pair is eta = 4 / (sqrt L + sqrt m)**2 and
    beta = ((sqrt L - sqrt m) / (sqrt L + sqrt m))**2.

    The same as `SGD(momentum=beta, momentum_at="after_rate")`: past gradients keep the rate they were taken at. PyTorch and
    Optax have `momentum_at="before_rate"`, which multiplies the whole velocity by today's rate: where a schedule lowers
    the rate, theirs slows down at once, this one only as its old steps fade.

    Args:
        learning_rate: eta > 0, in units of p / g: below 2 (1 + beta) / curvature for a quadratic to converge.
        momentum: beta in [0, 1): a step goes on for about 1 / (1 - beta) steps.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    momentum: Decay = 0.9

    class Memory(NamedTuple):
        last: Array  # shaped as p, in units of p: the last step

    def start(self, p):
        return self.Memory(last=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        u = -self.learning_rate * g + self.momentum * memory.last
        return u, self.Memory(last=u)
