import jax.numpy as jnp

from ..core import Positive, Scalar, pytree_dataclass
from ._schedule import Schedule


@pytree_dataclass
class Exponential(Schedule):
    r"""Multiplies by `rate` once in every `steps` updates, smoothly (Li, Zhuang & Orabona 2021, ICML, <https://arxiv.org/abs/2002.05273>).

    $$\eta_s = \max(a\, r^{s / S},\ f)$$

    `Step` does the same in stairs.

    Args:
        start: a, finite: the value at step 0, in the unit of what is scheduled.
        rate: r > 0, a pure number: below 1 the value falls, above 1 it grows (a range test of the rate).
        steps: S > 0, in updates: how long one factor of `rate` takes.
        floor: f, finite: the value never falls below it; 0 lets it fall for ever.

    Raises:
        ValueError: where a number leaves its range.
    """

    start: Scalar
    rate: Positive
    steps: Positive = 1.0
    floor: Scalar = 0.0

    def curve(self, s):
        return jnp.maximum(self.start * self.rate ** (s / self.steps), self.floor)
