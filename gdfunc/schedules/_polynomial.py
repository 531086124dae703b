import jax.numpy as jnp

from ..core import Positive, Scalar, pytree_dataclass
from ._schedule import Schedule, between, progress


@pytree_dataclass
class Linear(Schedule):
    r"""A straight line from `start` to `end`, then `end` (Defazio et al. 2023, <https://arxiv.org/abs/2310.07831>).

    $$\eta_s = a + (b - a) \min(s / S, 1)$$

    Args:
        start: a, finite: the value at step 0, in the unit of what is scheduled.
        end: b, finite: the value from step `steps` on, in the same unit.
        steps: S > 0, in updates: step / steps of the way lies behind an update, so number S is the first to see `end`.

    Raises:
        ValueError: where a number leaves its range.
    """

    start: Scalar
    end: Scalar
    steps: Positive

    def curve(self, s):
        return between(self.start, self.end, 1 - progress(s, self.steps))


@pytree_dataclass
class Polynomial(Schedule):
    r"""A power of the share of steps that is left: the "poly" policy (Chen et al. 2018, TPAMI, <https://arxiv.org/abs/1606.00915>).

    $$\eta_s = b + (a - b) (1 - \min(s / S, 1))^p$$

    Args:
        start: a, finite: the value at step 0, in the unit of what is scheduled.
        end: b, finite: the value from step `steps` on, in the same unit.
        steps: S > 0, in updates: number S is the first to see `end`.
        power: p > 0, a pure number: 1 is a line, above 1 falls early, below 1 late. DeepLab used 0.9.

    Raises:
        ValueError: where a number leaves its range.
    """

    start: Scalar
    end: Scalar
    steps: Positive
    power: Positive = 2.0

    def curve(self, s):
        left = 1 - progress(s, self.steps)
        return between(self.start, self.end, _power(left, self.power))


def _power(x, p):
    # The derivative of x**p is infinite or NaN at x = 0 for p < 1; the value is held there, so 0 is the right one.
    positive = x > 0
    return jnp.where(positive, jnp.where(positive, x, 1) ** p, 0)
