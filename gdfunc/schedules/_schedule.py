from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from ..core import Fields


class Schedule(Fields):
    """Base of all schedules: a pytree of numbers that is a function of the step.

    Subclasses write `curve(self, s)`, the formula, for a float array s >= 0. Step 0 is the first update. A curve that
    takes `steps` steps has step / steps of its way behind it: update 0 sees its first value, and its last one is reached at
    update number `steps`, so that the last of N updates (number N - 1) sees (N - 1) / N of the way, not all of it.
    From then on the last value is held.

    Step counts are numbers like any other: they can be mapped over and differentiated, and changing one recompiles
    nothing. In float32 they are exact up to 2**24 = 16.8 million.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, field in self._fields.items():
            value = getattr(self, name)
            if callable(value) and field.range is not None:
                raise ValueError(f"{type(self).__name__} needs {name} to be a number, and was given {value!r}")

    def __call__(self, step: Any) -> Array:
        """The value at `step`.

        Args:
            step: the number of updates made so far, 0 for the first one; a number or an array of any shape. Below 0 it
                counts as 0.

        Returns:
            The value, shaped as `step`, in JAX's default float dtype (float32; float64 with x64 on).

        Raises:
            ValueError: where `step` is no real number, or a field is an array that was not mapped over.
        """
        who = type(self).__name__
        if not isinstance(step, (int, float, np.number, np.ndarray, jax.Array)) or not (
            jnp.issubdtype(jnp.result_type(step), jnp.integer) or jnp.issubdtype(jnp.result_type(step), jnp.floating)
        ):
            raise ValueError(f"{who} needs step to be a number or an array of numbers, and was given {step!r}")
        for name in self._fields:
            for leaf in jax.tree.leaves(getattr(self, name)):
                if np.ndim(leaf):
                    raise ValueError(
                        f"{who} needs {name} to be one number, and was given shape {np.shape(leaf)}: "
                        "map over schedules with jax.vmap and gd.in_axes"
                    )
        dtype = jnp.result_type(float)
        s = jnp.maximum(jnp.asarray(step, dtype), 0)
        return jnp.broadcast_to(jnp.asarray(self.curve(s), dtype), s.shape)

    def curve(self, s: Array) -> Any:
        """The formula, at the float step s >= 0."""
        raise NotImplementedError


def progress(s: Any, steps: Any) -> Array:
    """The share of `steps` that lies behind step `s`, in [0, 1]; a stretch of no steps is behind at once."""
    some = steps > 0
    return jnp.where(some, jnp.clip(s / jnp.where(some, steps, 1), 0, 1), 1)


def between(start: Any, end: Any, left: Any) -> Any:
    """The point with the share `left` of the way from `start` to `end` still to go; both ends come out exactly."""
    return start * left + end * (1 - left)


def cosine_fall(x: Any) -> Array:
    """Half a cosine, from 1 at x = 0 to 0 at x = 1."""
    return (1 + jnp.cos(jnp.pi * x)) / 2


def numbers(who: str, name: str, values: Any) -> tuple:
    """`values` as a tuple of numbers; ValueError where it is no sequence, or holds something else than numbers."""
    try:
        values = tuple(values)
    except TypeError:
        raise ValueError(f"{who} needs {name} to be a sequence of numbers, and was given {name}={values!r}") from None
    for i, value in enumerate(values):
        number = isinstance(value, (int, float, np.number, np.ndarray, jax.Array)) and not isinstance(value, bool)
        if not number or (is_known(value) and not np.all(np.isfinite(value))):
            raise ValueError(f"{who} needs finite numbers as {name}, and was given {name}[{i}]={value!r}")
    return values


def check_boundaries(who: str, boundaries: tuple, pieces: int, what: str) -> None:
    """ValueError unless there is a boundary between any two pieces, and they rise from above 0."""
    if len(boundaries) != pieces - 1 or pieces < 1:
        raise ValueError(
            f"{who} needs one boundary fewer than {what}, and was given {len(boundaries)} for {pieces} {what}"
        )
    if not all(map(is_known, boundaries)):
        return
    for before, after in zip((0, *boundaries), boundaries, strict=False):
        if not np.all(np.asarray(before) < np.asarray(after)):
            raise ValueError(f"{who} needs boundaries that rise from above 0, and was given boundaries={boundaries!r}")


def is_known(value: Any) -> bool:
    """Whether `value` can be looked at: no tracer."""
    return not isinstance(value, Tracer)
