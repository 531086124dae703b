import jax.numpy as jnp

from ..core import NonNegative, Scalar, pytree_dataclass
from ._schedule import Schedule


@pytree_dataclass
class InverseSqrt(Schedule):
    r"""A linear rise, then a fall with the root of time (Vaswani et al. 2017, NeurIPS, <https://arxiv.org/abs/1706.03762>, eq. 3).

    $$\eta_s = a \min\left(t / w,\ \sqrt{w / t}\right), \qquad t = s + 1$$

    The paper counts updates from 1, hence t. Without warm-up (w = 0 or 1) it is a / sqrt(t). `noam` gives the paper's
    own scale. It never ends.

    Args:
        peak: a, finite: the largest value, reached at step w - 1, in the unit of what is scheduled.
        warmup_steps: w >= 0, in updates: how long the rise takes; the larger, the slower the fall after it.

    Raises:
        ValueError: where a number leaves its range.
    """

    peak: Scalar
    warmup_steps: NonNegative = 0.0

    def curve(self, s):
        t = s + 1
        w = jnp.maximum(self.warmup_steps, 1)
        return self.peak * jnp.minimum(t / w, jnp.sqrt(w / t))


def noam(width: float, warmup_steps: float, scale: float = 1.0) -> InverseSqrt:
    r"""The Transformer's rate by its width (Vaswani et al. 2017, NeurIPS, <https://arxiv.org/abs/1706.03762>, eq. 3).

    $$\eta_s = c\, d^{-1/2} \min(t^{-1/2},\ t\, w^{-3/2}), \qquad t = s + 1$$

    Args:
        width: d > 0, the model's width, in units.
        warmup_steps: w > 0, in updates; 4000 in the paper.
        scale: c, a pure number; 1 in the paper.

    Returns:
        `InverseSqrt` with its peak at c / sqrt(d w).

    Raises:
        ValueError: where width or warmup_steps is not above 0.
    """
    for name, value in (("width", width), ("warmup_steps", warmup_steps)):
        if not value > 0:
            raise ValueError(f"noam needs {name} > 0, and was given {name}={value!r}")
    return InverseSqrt(scale * (width * max(warmup_steps, 1)) ** -0.5, warmup_steps)
