"""How numbers and settings look in tables."""

from typing import Any

import numpy as np


def number(x: Any, digits: int = 6) -> str:
    """A number, or the entries of a small array, in `digits` significant digits."""
    x = np.asarray(x)
    if x.dtype == bool:
        return str(x.tolist())
    if x.ndim == 0:
        return f"{float(x):.{digits}g}"
    return np.array2string(x.astype(np.float64), precision=digits, separator=", ", threshold=12, floatmode="maxprec")
