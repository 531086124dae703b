"""How values look in a trace."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

MOST = 12  # entries of an array that is shown in full


def in_numbers(value: Any, digits: int = 5, most: int = MOST) -> str:
    """A number, the entries of a small array, or a larger one's shape and root mean square.

    Args:
        value: an array.
        digits: significant digits.
        most: entries of an array that is shown in full.

    Returns:
        One line, as `[[1, 2], [3, 4]]` or `(64, 32), rms 0.1`.
    """
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return "a random key" if value.shape == () else f"{value.shape} random keys"
    x = np.asarray(value)
    if x.size > most:
        wide = x.astype(np.float64)
        return f"{x.shape}, rms {np.sqrt(np.mean(wide**2)):.{digits}g}"
    return _entries(x, digits)


def _entries(x: np.ndarray, digits: int) -> str:
    if x.ndim:
        return f"[{', '.join(_entries(row, digits) for row in x)}]"
    if x.dtype == bool:
        return str(bool(x))
    return f"{float(x) + 0.0:.{digits}g}"  # -0.0 + 0.0 is 0.0


def uniform(value: Any) -> bool:
    """Whether all entries are the same number, so that one can stand for all."""
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return False
    x = np.asarray(value)
    return x.size > 0 and bool((x == x.flat[0]).all())


def same_number(value: Any, digits: int = 5) -> str:
    """The number that all entries are; else as `in_numbers`."""
    return in_numbers(np.asarray(value).flat[0] if uniform(value) else value, digits)
