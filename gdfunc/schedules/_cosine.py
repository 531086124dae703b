import jax
import jax.numpy as jnp

from ..core import Positive, Scalar, pytree_dataclass
from ._schedule import Schedule, between, cosine_fall, progress


@pytree_dataclass
class Cosine(Schedule):
    r"""Half a cosine from `peak` to `floor`, then `floor` (Loshchilov & Hutter 2017, ICLR, <https://arxiv.org/abs/1608.03983>, eq. 5).

    $$\eta_s = f + \tfrac12 (a - f) (1 + \cos(\pi \min(s / S, 1)))$$

    PyTorch's CosineAnnealingLR climbs again after S steps; this one holds `floor`.

    Args:
        peak: a, finite: the value at step 0, in the unit of what is scheduled.
        steps: S > 0, in updates: step / steps of the way lies behind an update, so number S is the first to see `floor`.
        floor: f, finite: the value from step `steps` on, in the unit of `peak`.

    Raises:
        ValueError: where a number leaves its range.
    """

    peak: Scalar
    steps: Positive
    floor: Scalar = 0.0

    def curve(self, s):
        return between(self.peak, self.floor, cosine_fall(progress(s, self.steps)))


@pytree_dataclass
class CosineRestarts(Schedule):
    r"""SGDR: half a cosine, begun anew at `peak` whenever it reaches `floor` (Loshchilov & Hutter 2017, ICLR, <https://arxiv.org/abs/1608.03983>).

    $$\begin{aligned}
    T_i &= T_0\, m^i \qquad b_i = T_0 + \dots + T_{i-1} \\
    \eta_s &= f + \tfrac12 (a - f) (1 + \cos(\pi (s - b_i) / T_i)) \quad\text{where}\quad b_i \le s < b_{i+1}
    \end{aligned}$$

    It never ends; the value `floor` itself falls on no update, because the update that would see it restarts.

    Args:
        peak: a, finite: the value at the start of each cycle, in the unit of what is scheduled.
        steps: T_0 > 0, in updates: the length of the first cycle.
        multiplier: m, a whole number of at least 1: each cycle's length over the one before. Static: another one compiles
            another program.
        floor: f, finite: what each cycle falls towards, in the unit of `peak`.

    Raises:
        ValueError: where a number leaves its range.
    """

    peak: Scalar
    steps: Positive
    multiplier: int = 1
    floor: Scalar = 0.0

    def __post_init__(self):
        if isinstance(self.multiplier, bool) or not isinstance(self.multiplier, int) or self.multiplier < 1:
            raise ValueError(
                f"CosineRestarts needs multiplier to be a whole number >= 1, and was given multiplier={self.multiplier!r}"
            )
        super().__post_init__()

    def curve(self, s):
        begin, length = self._cycle(s)
        return between(self.peak, self.floor, cosine_fall((s - begin) / length))

    def _cycle(self, s):
        """The first step and the length of the cycle that step s is in."""
        m = self.multiplier
        if m == 1:
            return self.steps * jax.lax.stop_gradient(jnp.floor_divide(s, self.steps)), self.steps
        # Begins are T_0 times whole numbers known here, so no logarithm rounds a restart to its neighbour.
        # m**32 > 2**31: more cycles than there are steps to count.
        units = [(m**i - 1) // (m - 1) for i in range(32) if m**i < 2**32]
        begin, length = 0.0 * s, self.steps + 0.0 * s
        for i, unit in enumerate(units[1:], 1):
            here = s >= self.steps * float(unit)
            begin = jnp.where(here, self.steps * float(unit), begin)
            length = jnp.where(here, self.steps * float(m**i), length)
        return begin, length
