from typing import Literal

import jax.numpy as jnp
import numpy as np

from ..core import Fraction, Positive, Scalar, pytree_dataclass
from ._schedule import Schedule, between, cosine_fall, is_known, progress


@pytree_dataclass
class OneCycle(Schedule):
    r"""One rise to a large rate and one fall to a tiny one (Smith & Topin 2019, <https://arxiv.org/abs/1708.07120>).

    $$\begin{aligned}
    & \eta: \quad a/d \;\to\; a \;\to\; a/(d D) \quad\text{at}\quad s/S = 0,\; r,\; 1 \\
    & \eta: \quad a/d \;\to\; a \;\to\; a/d \;\to\; a/(d D) \quad\text{at}\quad s/S = 0,\; r,\; q,\; 1
    \end{aligned}$$

    The second line is with `return_at`. Smith's own form is linear and has three parts; fast.ai's, which became usual, is
    cosine and has two. PyTorch counts to steps - 1: its OneCycleLR(total_steps=S + 1, pct_start=(r S + 1) / (S + 1)) is this.

    Args:
        peak: a, finite: the largest value, in the unit of what is scheduled.
        steps: S > 0, in updates: number S is the first to see the last value, which is then held.
        rise: r in [0, 1], the share of the steps that the rise takes; 0 begins at the peak.
        initial_divisor: d > 0, a pure number: the first value is peak / d.
        final_divisor: D > 0, a pure number: the last value is peak / (d D).
        return_at: q in (r, 1], the share of the steps after which the value is back at peak / d; None: it falls from the
            peak to the last value in one go.
        shape: how each part runs: "cosine", half a cosine, or "linear".

    Raises:
        ValueError: where a number leaves its range.
    """

    peak: Scalar
    steps: Positive
    rise: Fraction = 0.3
    initial_divisor: Positive = 25.0
    final_divisor: Positive = 1e4
    return_at: Fraction | None = None
    shape: Literal["cosine", "linear"] = "cosine"

    def __post_init__(self):
        super().__post_init__()
        known = is_known(self.return_at) and is_known(self.rise)
        if self.return_at is not None and known and not np.all(np.asarray(self.return_at) > self.rise):
            raise ValueError(
                f"OneCycle needs return_at > rise, and was given return_at={self.return_at!r}, rise={self.rise!r}"
            )

    def curve(self, s):
        x = progress(s, self.steps)
        first = self.peak / self.initial_divisor
        last = first / self.final_divisor
        rising = self._part(first, self.peak, progress(x, self.rise))
        if self.return_at is None:
            falling = self._part(self.peak, last, progress(x - self.rise, 1 - self.rise))
        else:
            back = self._part(self.peak, first, progress(x - self.rise, self.return_at - self.rise))
            ending = self._part(first, last, progress(x - self.return_at, 1 - self.return_at))
            falling = jnp.where(x < self.return_at, back, ending)
        return jnp.where(x < self.rise, rising, falling)

    def _part(self, start, end, x):
        return between(start, end, cosine_fall(x) if self.shape == "cosine" else 1 - x)
