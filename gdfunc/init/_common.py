"""What every initialiser shares: its type, its checks and its precision."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

Initialiser: TypeAlias = Callable[..., Array]  # init(key, shape, dtype=jnp.float32) -> Array


class Law(NamedTuple):
    """How weights are distributed, as far as theory asks.

    Attributes:
        variance: shape -> the mean square of an entry, whose mean is 0.
        orthogonal: whether they are a random rotation, times a number; otherwise entries are independent.
    """

    variance: Callable[[Sequence[int]], Any]
    orthogonal: bool = False


@dataclass(frozen=True)
class _Drawn:
    """What `initialiser` makes."""

    who: str
    draw: Callable[..., Array]
    dimensions: tuple[int, float]
    law: Law | None

    def __call__(self, key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
        shape, (low, high) = tuple(shape), self.dimensions
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"{self.who} needs a real floating-point dtype, and was given {jnp.dtype(dtype).name}")
        if not low <= len(shape) <= high or (low and 0 in shape):
            needed = f"{low}" if low == high else f"{low} or more" if high == math.inf else f"{low} to {high}"
            raise ValueError(f"{self.who} needs a shape of {needed} dimensions, none of them 0, and was given {shape}")
        return self.draw(key, shape, jnp.promote_types(dtype, jnp.float32)).astype(dtype)


def initialiser(
    who: str, draw: Callable[..., Array], dimensions: tuple[int, float] = (0, math.inf), law: Law | None = None
) -> Initialiser:
    """`draw(key, shape, dtype)` with its arguments checked.

    16-bit parameters are drawn in float32 and rounded. `jax.random` itself draws in the dtype asked for, and in bfloat16
    its normal has mean -0.011 and no value beyond 2.9: over 10,000 inputs that mean adds up to more than a standard
    deviation.

    Args:
        who: the initialiser's name, for errors.
        draw: the formula.
        dimensions: the fewest and the most dimensions that a shape may have.
        law: of the entries, where they are random and their mean is 0.
    """
    return _Drawn(who, draw, dimensions, law)


def check_number(who: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Raises ValueError unless `value` is a finite real number in [low, high]; one being traced is let through."""
    if isinstance(value, Tracer):
        return
    is_number = isinstance(value, (int, float, np.number, np.ndarray, jax.Array)) and np.ndim(value) == 0
    if not is_number or not (np.isfinite(value) and low <= value <= high):
        below = "" if low == -math.inf else f"{low:g} <= "
        above = "" if high == math.inf else f" <= {high:g}"
        needed = f"{below}{name}{above}" if below or above else f"{name} to be a finite number"
        raise ValueError(f"{who} needs {needed}, and was given {name}={value!r}")


def check_choice(who: str, name: str, value: Any, choices: Sequence[str]) -> None:
    """Raises ValueError unless `value` is one of `choices`."""
    if value not in choices:
        options = " or ".join(map(repr, choices))
        raise ValueError(f"{who} needs {name} to be {options}, and was given {name}={value!r}")
