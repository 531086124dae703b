from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, ema, rule


@rule
class GrokfastEMA(ArrayRule):
    r"""Grokfast-EMA: amplifies what is slow in the gradient (Lee et al. 2024, <https://arxiv.org/abs/2405.20233>, section 3).

    $$h_t = \alpha\, h_{t-1} + (1-\alpha) g_t \qquad \hat g_t = g_t + \lambda\, h_t$$

    A part for a chain, `chain(GrokfastEMA(), AdamW(1e-3))`: it returns a gradient, sign unchanged. A gradient that stays the
    same comes out 1 + lambda times as large, one that alternates hardly changed.

    Args:
        decay: alpha in [0, 1): h remembers about 1 / (1 - alpha) gradients.
        strength: lambda >= 0, without unit: how much of the average is added.
        first_step: "zero": h_0 = 0, the filter of the paper's equations; "copied": h_1 = g_1, as in the authors' code.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    decay: Decay = 0.98
    strength: NonNegative = 2.0
    first_step: Literal["zero", "copied"] = "zero"

    class Memory(NamedTuple):
        h: Array  # shaped as p, in units of g

    def start(self, p):
        return self.Memory(h=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        h = ema(memory.h, g, self.decay)
        if self.first_step == "copied":
            h = jnp.where(t == 1, g, h)
        return g + self.strength * h, self.Memory(h)
