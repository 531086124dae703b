from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from ..core import NonNegative, Scalar, pytree_dataclass
from ._cosine import Cosine
from ._schedule import Schedule, between, progress


@pytree_dataclass
class Warmup(Schedule):
    r"""A straight line up to another schedule's first value, then that schedule (Goyal et al. 2017, <https://arxiv.org/abs/1706.02677>, section 2.2).

    $$\eta_s = \begin{cases} a + (\phi(0) - a)\, s / w & s < w \\ \phi(s - w) & s \ge w \end{cases}$$

    The schedule's own count begins after the warm-up: `Warmup(Cosine(1e-3, steps=900), steps=100)` ends at step 1000.
    With start = 0 the first update moves nothing.

    Args:
        schedule: phi: one of ours or any function of the step (it is given float steps).
        steps: w >= 0, in updates: update number w is the first to see phi(0); 0 for no warm-up.
        start: a, finite: the value at step 0, in the unit of phi.

    Raises:
        ValueError: where a number leaves its range or `schedule` cannot be called.
    """

    schedule: Callable[[Any], Any]
    steps: NonNegative
    start: Scalar = 0.0

    def __post_init__(self):
        if not callable(self.schedule):
            raise ValueError(
                f"Warmup needs schedule to be a function of the step, and was given schedule={self.schedule!r}: "
                "for a constant after the warm-up write Constant(value)"
            )
        super().__post_init__()

    def curve(self, s):
        rising = between(self.start, self.schedule(jnp.zeros_like(s)), 1 - progress(s, self.steps))
        return jnp.where(s < self.steps, rising, self.schedule(jnp.maximum(s - self.steps, 0)))


def warmup_cosine(peak: float, warmup_steps: float, steps: float, floor: float = 0.0) -> Warmup:
    """A warm-up from 0 into a cosine, the usual pair: `Warmup(Cosine(peak, steps - warmup_steps, floor), warmup_steps)`.

    Args:
        peak: the largest value, in the unit of what is scheduled.
        warmup_steps: how long the rise takes, in updates.
        steps: the length of both together, in updates.
        floor: the value from step `steps` on, in the unit of `peak`.

    Returns:
        The `Warmup`.

    Raises:
        ValueError: unless 0 <= warmup_steps < steps.
    """
    if not 0 <= warmup_steps < steps:
        raise ValueError(
            f"warmup_cosine needs 0 <= warmup_steps < steps, and was given warmup_steps={warmup_steps!r}, steps={steps!r}"
        )
    return Warmup(Cosine(peak, steps - warmup_steps, floor), warmup_steps)
