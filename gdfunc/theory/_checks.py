"""What the formulas refuse."""

from typing import Any

import numpy as np
from jax.core import Tracer


def check_variances(who: str, **given: Any) -> None:
    """Raises ValueError unless each is a finite number >= 0; what is being traced is let through."""
    for name, value in given.items():
        if isinstance(value, Tracer):
            continue
        number = np.asarray(value)
        if not (number.ndim == 0 and number.dtype.kind in "iuf" and np.isfinite(number) and number >= 0):
            raise ValueError(
                f"{who} needs a finite {name} >= 0, one number, and was given {value!r}: map with jax.vmap"
            )


def check_range(
    who: str, name: str, value: Any, low: float = -np.inf, high: float = np.inf, above: float | None = None
) -> None:
    """Raises ValueError unless every number is finite, in [low, high] and above `above`; what is being traced is let through."""
    if any(isinstance(x, Tracer) for x in (value, low, high)):
        return
    numbers = np.asarray(value)
    right = numbers.dtype.kind in "iuf" and np.all(np.isfinite(numbers) & (low <= numbers) & (numbers <= high))
    if not (right and (above is None or np.all(numbers > above))):
        least = f"{name} > {above:g}" if above is not None else f"{name} >= {low:g}" if low > -np.inf else name
        raise ValueError(f"{who} needs {least}{'' if high == np.inf else f' and <= {high:g}'}, and was given {value!r}")
