from typing import Literal

import jax.numpy as jnp

from ..core import NonNegative, Positive, Scalar, pytree_dataclass, safe_sqrt
from ._schedule import Schedule, between, cosine_fall, progress


@pytree_dataclass
class WarmupStableDecay(Schedule):
    r"""WSD, a trapezoid: rise, plateau, short fall (Hu et al. 2024, COLM, <https://arxiv.org/abs/2404.06395>).

    $$\begin{aligned}
    x &= \min\left(\max\left(\frac{s - w - p}{d}, 0\right), 1\right) \\
    \eta_s &= \begin{cases} a\, s / w & s < w \\ f + (a - f)\, h(x) & s \ge w \end{cases}
    \qquad h(x) = 1 - x,\ \ \tfrac12 (1 + \cos \pi x) \ \text{ or }\ 1 - \sqrt x
    \end{aligned}$$

    The plateau's length need not be known at the start, because the fall can begin at any time. Haegele et al. 2024
    (<https://arxiv.org/abs/2405.18392>) found 1 - sqrt the best fall.

    Args:
        peak: a, finite: the plateau, in the unit of what is scheduled.
        warmup_steps: w >= 0, in updates: the rise from 0; update number w is the first to see `peak`.
        stable_steps: p >= 0, in updates: the plateau.
        decay_steps: d > 0, in updates: the fall; update number w + p + d is the first to see `floor`.
        floor: f, finite: the value after the fall, in the unit of `peak`.
        shape: h: "1-sqrt", "linear" or "cosine".

    Raises:
        ValueError: where a number leaves its range.
    """

    peak: Scalar
    warmup_steps: NonNegative
    stable_steps: NonNegative
    decay_steps: Positive
    floor: Scalar = 0.0
    shape: Literal["1-sqrt", "linear", "cosine"] = "1-sqrt"

    def curve(self, s):
        x = progress(s - self.warmup_steps - self.stable_steps, self.decay_steps)
        rising = self.peak * progress(s, self.warmup_steps)
        return jnp.where(s < self.warmup_steps, rising, between(self.peak, self.floor, self._left(x)))

    def _left(self, x):
        if self.shape == "1-sqrt":
            return 1 - safe_sqrt(x)
        return 1 - x if self.shape == "linear" else cosine_fall(x)
