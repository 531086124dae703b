from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Rate, ema, rule


@rule
class Lion(ArrayRule):
    r"""Lion: the sign of an average that looks at the newest gradient twice (Chen et al. 2023, NeurIPS, <https://arxiv.org/abs/2302.06675>, Algorithm 2).

    $$\begin{aligned}
    c_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \\
    u_t &= -\eta\, (\mathrm{sign}(c_t) + \lambda\, p_{t-1}) \\
    m_t &= \beta_2 m_{t-1} + (1-\beta_2) g_t
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: how far every parameter moves in a step; 3 to 10 times below Adam's.
        b1: beta_1 in [0, 1): how much of the step is memory.
        b2: beta_2 in [0, 1): m remembers about 1 / (1 - b2) gradients.
        weight_decay: lambda >= 0, in 1 / p; multiplied by the rate. None for none, and params are not needed.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where decay needs params not given.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.99
    weight_decay: NonNegative | None = None

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return () if self.weight_decay is None else ("params",)

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        c = ema(memory.m, g, self.b1)
        d = jnp.sign(c) if self.weight_decay is None else jnp.sign(c) + self.weight_decay * p
        m = ema(memory.m, g, self.b2)
        return -self.learning_rate * d, self.Memory(m)
