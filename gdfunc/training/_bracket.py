"""`bracket`: one-dimensional descent that follows the sign of the derivative until it changes."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer

from ._checks import whole
from ._outcome import Outcome

_CODES = ("bracketed", "stationary", "steps", "non_finite")
_BRACKETED, _STATIONARY, _STEPS, _NON_FINITE = range(4)


class Bracket(NamedTuple):
    """What `bracket` returns; arrays throughout, so that it passes through jit and vmap.

    Attributes:
        low: () the left end; the derivative there is negative once bracketed.
        high: () the right end; the derivative there is positive once bracketed.
        slope_low: () the derivative at `low`.
        slope_high: () the derivative at `high`.
        minimum: () the best guess: the middle, or the point where the derivative was exactly 0; NaN where none was found.
        steps: () int32, the steps walked.
        path: (max_steps + 1,) the points walked through, from x; NaN after the first `steps` + 1.
        verdict: () int32, read by `outcome`.
    """

    low: Array
    high: Array
    slope_low: Array
    slope_high: Array
    minimum: Array
    steps: Array
    path: Array
    verdict: Array

    @property
    def outcome(self) -> Outcome:
        """What the search came to, in words; only outside jit."""
        code, steps = _CODES[int(self.verdict)], int(self.steps)
        last, low, high = float(self.path[steps]), float(self.low), float(self.high)
        bad = high if np.isfinite(float(self.slope_low)) else low
        message, remedy = {
            "bracketed": (f"the derivative changes its sign between {low:.6g} and {high:.6g}", ""),
            "stationary": (
                f"the derivative is exactly 0 at {low:.6g}",
                "if it may be a maximum or a saddle there, start beside it",
            ),
            "steps": (
                f"no change of sign in {steps} steps, down to x = {last:.6g}",
                "the function may fall for ever (monotone); else raise step, expand or max_steps",
            ),
            "non_finite": (
                f"the function or its derivative is not finite at x = {bad:.6g}",
                "start inside the domain; lower step or expand",
            ),
        }[code]
        return Outcome(code, steps, message, remedy)

    def __repr__(self) -> str:
        if isinstance(self.verdict, Tracer) or np.ndim(self.verdict):
            return f"Bracket(low={self.low}, high={self.high}, minimum={self.minimum})"
        return (
            f"Bracket(low={float(self.low):.6g}, high={float(self.high):.6g}, minimum={float(self.minimum):.6g}; "
            f"{self.outcome})"
        )


def bracket(
    f: Callable[[Array], Array],
    x: Any,
    *,
    step: Any,
    expand: Any = 1.0,
    tolerance: Any = None,
    max_steps: int = 100,
) -> Bracket:
    r"""Walks downhill from x until the derivative changes its sign (Bolzano 1817: between lies a minimum; textbook form in Nocedal & Wright 2006, Numerical Optimization, chapter 3).

    $$\begin{aligned}
    x_{k+1} &= x_k - \mathrm{sign}(f'(x_0))\, s_k, \qquad s_{k+1} = c\, s_k \\
    \text{stop where}\quad &\mathrm{sign}(f'(x_{k+1})) \ne \mathrm{sign}(f'(x_0))
    \end{aligned}$$

    With `tolerance` the bracket is then halved at its middle, keeping the half whose ends differ in sign, until it is
    no wider. Only derivatives' signs decide, so a kink as in |x| is bracketed as well. Pure: works under jit and vmap.

    Args:
        f: a function from a real scalar to a real scalar, differentiable by JAX.
        x: where to start, in units of f's argument.
        step: s_0 > 0, the first step's length, in units of x: the bracket's width where expand = 1.
        expand: c >= 1, the factor from each step to the next: the walk covers s_0 c^k.
        tolerance: >= 0, the width to halve the bracket to, in units of x; it ends at neighbouring floats at the latest.
            None for no halving.
        max_steps: the most steps to walk, >= 1.

    Returns:
        A `Bracket`: low, high, the derivatives there, minimum, steps, path, outcome. Where no bracket was found, the
        ends are the last two points.

    Raises:
        ValueError: where f is not scalar to scalar, or a number leaves its range.
    """
    max_steps = whole("max_steps", max_steps, 1, "bracket")
    if not callable(f):
        raise ValueError(f"bracket needs a function, and was given {f!r}")
    x = _real_scalar("x", x)
    x = x.astype(x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else jnp.result_type(float))
    _check_number("x", x, -np.inf, True)
    step, expand = _real_scalar("step", step), _real_scalar("expand", expand)
    _check_number("step", step, 0.0, True)
    _check_number("expand", expand, 1.0, False)
    if tolerance is not None:
        tolerance = _real_scalar("tolerance", tolerance)
        _check_number("tolerance", tolerance, 0.0, False)
        tolerance = tolerance.astype(x.dtype)
    return _search(f, x, step.astype(x.dtype), expand.astype(x.dtype), tolerance, max_steps)


@partial(jax.jit, static_argnames=("f", "max_steps"))
def _search(f: Callable, x: Array, step: Array, expand: Array, tolerance: Array | None, max_steps: int) -> Bracket:
    def slope(x):
        y, d = jax.value_and_grad(lambda x: _checked(f, x))(x)
        return jnp.where(jnp.isfinite(y) & jnp.isfinite(x), d, jnp.nan)  # a NaN ends the search

    start = slope(x)
    down = -jnp.sign(start)

    def walk(now):
        k, _, _, x, d, s, path = now
        new = x + down * s
        return k + 1, x, d, new, slope(new), s * expand, path.at[k + 1].set(new)

    def same_sign(now):
        k, d = now[0], now[4]
        return (k < max_steps) & (d * down < 0)

    path = jnp.full(max_steps + 1, jnp.nan, x.dtype).at[0].set(x)
    first = (jnp.zeros((), jnp.int32), x, start, x, start, step, path)
    k, a, d_a, b, d_b, _, path = lax.while_loop(same_sign, walk, first)

    verdict = jnp.select([~jnp.isfinite(d_b), d_b == 0, d_b * down < 0], [_NON_FINITE, _STATIONARY, _STEPS], _BRACKETED)
    a, d_a = jnp.where(d_b == 0, b, a), jnp.where(d_b == 0, d_b, d_a)
    swap = a > b
    low, high = jnp.where(swap, b, a), jnp.where(swap, a, b)
    d_low, d_high = jnp.where(swap, d_b, d_a), jnp.where(swap, d_a, d_b)
    if tolerance is not None:
        low, high, d_low, d_high = _halve(slope, low, high, d_low, d_high, tolerance, verdict == _BRACKETED)
        verdict = jnp.where(jnp.isfinite(d_high), verdict, _NON_FINITE)
    minimum = jnp.where(verdict <= _STATIONARY, low + (high - low) / 2, jnp.nan)
    return Bracket(low, high, d_low, d_high, minimum, k, path, verdict.astype(jnp.int32))


def _halve(slope: Callable, low: Array, high: Array, d_low: Array, d_high: Array, tolerance: Array, found: Array):
    def wide(ends):
        low, high, _, d_high = ends
        middle = low + (high - low) / 2
        return found & (high - low > tolerance) & (low < middle) & (middle < high) & jnp.isfinite(d_high)

    def halve(ends):
        low, high, d_low, d_high = ends
        middle = low + (high - low) / 2
        d = slope(middle)
        # Where d is 0 both ends move there; where it is not finite the right end does, and the search ends.
        left, right = (d <= 0) & jnp.isfinite(d), ~((d < 0) & jnp.isfinite(d))
        return (
            jnp.where(left, middle, low),
            jnp.where(right, middle, high),
            jnp.where(left, d, d_low),
            jnp.where(right, d, d_high),
        )

    return lax.while_loop(wide, halve, (low, high, d_low, d_high))


def _checked(f: Callable, x: Array) -> Array:
    y = f(x)
    if jnp.shape(y) != () or not jnp.issubdtype(jnp.result_type(y), jnp.floating):
        raise ValueError(
            f"bracket needs f from a real scalar to a real scalar, and it returned {jnp.result_type(y)} of "
            f"shape {jnp.shape(y)}"
        )
    return y


def _real_scalar(name: str, value: Any) -> Array:
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        array = None
    if array is None or array.shape != () or jnp.issubdtype(array.dtype, jnp.complexfloating) or array.dtype == bool:
        raise ValueError(f"bracket needs {name} to be a real scalar, and was given {name}={value!r}")
    return array


def _check_number(name: str, value: Array, low: float, open_: bool) -> None:
    if isinstance(value, Tracer):
        return
    number = float(value)
    if not np.isfinite(number) or number < low or (open_ and number == low):
        bound = "finite" if low == -np.inf else f"{'>' if open_ else '>='} {low:g}"
        raise ValueError(f"bracket needs {name} to be {bound}, and was given {name}={number:g}")
