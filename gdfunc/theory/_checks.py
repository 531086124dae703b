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
