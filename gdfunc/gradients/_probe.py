"""A gradient and the function's own slope along one direction, at several steps."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ._stencil import STENCILS, difference, noise, values_at

_STENCIL = STENCILS["richardson"]
_FALL = 4.0  # from one step to the next
_STEPS = 6
_TRUSTED = 3  # the steps of the least errors: where a function has many kinks, one of them may look smooth by chance


class Probe(NamedTuple):
    """What was found along a direction of length 1.

    Attributes:
        gradient: the gradient's component.
        slope: the derivative by differences, at that of the three best steps which agrees most.
        error: by how much the two may differ where the gradient is right.
        sees: the least error of the gradient that would be found.
        kink: whether the slopes on both sides differ, however small the step.
        left: the slope on the one side, by the smallest step that tells them apart.
        right: that on the other.
    """

    gradient: float
    slope: float
    error: float
    sees: float
    kink: bool
    left: float
    right: float


def probe(f: Callable[[Array], Array], p: Array, g: Array, base: Array, start: int, stop: int) -> Probe:
    """Compares along that part of a direction which moves the entries from `start` to before `stop`.

    Args:
        f: p -> ().
        p: (n,), the parameters.
        g: (n,), the gradient.
        base: (n,), the direction.
        start: the first entry.
        stop: the entry after the last.
    """
    steps, values, gradient, own_rounding = map(np.asarray, _measure(f, p, g, base, start, stop))
    with np.errstate(all="ignore"):  # f may be infinite nearby
        found = [difference(row, step, _STENCIL) for row, step in zip(values, steps, strict=True)]
        slopes, truncation, rounding = map(np.asarray, zip(*found, strict=True))
        # Four times an estimate that is itself from a few values; and the rounding of the gradient's own sums.
        errors = 4 * (truncation + 1.5 * _at_least_that_of_smaller(rounding) / steps) + own_rounding
        # NaN comes last: a step too large for where f is defined.
        trusted = np.argsort(errors)[: np.clip(np.isfinite(errors).sum(), 1, _TRUSTED)]
        nearest = trusted[np.argmin(np.abs(gradient - slopes[trusted]) / errors[trusted])]
        kink, left, right = _one_sided(values, steps)
    error, sees = float(errors[nearest]), float(errors[trusted[-1]])
    return Probe(float(gradient), float(slopes[nearest]), error, sees, kink, left, right)


@partial(jax.jit, static_argnums=0)
def _measure(f: Callable[[Array], Array], p: Array, g: Array, base: Array, start: int, stop: int) -> tuple:
    """(the steps, f's values (steps, 9), the gradient's component, its rounding)."""
    i = jnp.arange(p.size)
    v = jnp.where((start <= i) & (i < stop), base, 0)
    norm = jnp.linalg.norm(v)
    v = v / jnp.where(norm > 0, norm, 1)
    parts = jnp.where(v == 0, 0, g * v)  # a NaN of another entry is not this direction's
    eps = jnp.finfo(p.dtype).eps
    steps = eps ** (1 / (_STENCIL.order + 1)) * _FALL ** -jnp.arange(_STEPS, dtype=p.dtype)
    steps = jnp.maximum(1, jnp.abs(p @ v)) * steps
    values = lax.map(lambda h: values_at(lambda t: f(p + t * v), h, _STENCIL), steps)
    return steps, values, jnp.sum(parts), 100 * eps * jnp.nansum(jnp.abs(parts))


def _at_least_that_of_smaller(rounding: np.ndarray) -> np.ndarray:
    """What a small step shows is rounding; a larger one's may hide, as where the values are stairs."""
    return np.maximum.accumulate(rounding[::-1])[::-1]


def _one_sided(values: np.ndarray, steps: np.ndarray) -> tuple[bool, float, float]:
    """(whether there is a kink, the slopes on the left and the right)."""
    left, right = ((values[:, k + 1] - values[:, k]) / steps for k in (3, 4))
    # The noise of each side for itself: across a kink differences of any order are large.
    rounding = np.asarray([max(noise(row[:5], 4), noise(row[4:], 4)) for row in values])
    # A smooth function's two slopes differ by h f'', so much less at each step; a kink's by as much at all.
    jump = np.abs(right - left)
    told_apart = np.flatnonzero(16 * _at_least_that_of_smaller(rounding) / steps < np.max(jump))
    last = told_apart[-1] if told_apart.size else 0
    kink = last > 0 and np.all(jump[last - 1 : last + 1] > np.max(jump) / 2)
    return bool(kink), float(left[last]), float(right[last])
