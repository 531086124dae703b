from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer


def floating(who: str, name: str, x: Any) -> Array:
    """`x` as an array; ValueError unless it is real and floating-point."""
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError):
        raise ValueError(f"{who} needs {name} to be an array, and was given {x!r}") from None
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{who} needs {name} of a real floating-point dtype, and was given {x.dtype}")
    return x


def real(who: str, name: str, x: Any) -> Array:
    """`x` as an array; ValueError unless it holds real numbers or booleans."""
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise ValueError(f"{who} needs real {name}, and was given {x.dtype}")
    return x


def same_shape(who: str, **arrays: Array) -> None:
    """ValueError unless both arrays have one shape: nothing is broadcast."""
    (name, a), (other, b) = arrays.items()
    if a.shape != b.shape:
        raise ValueError(f"{who} needs {name} and {other} of one shape, and was given {a.shape} and {b.shape}")


def must_hold(who: str, what: str, given: Any, holds: Any) -> None:
    """ValueError naming the first entry of `given` where `holds` is False, if it can be looked at: no tracers."""
    if isinstance(given, Tracer) or isinstance(holds, Tracer):
        return
    holds = np.asarray(holds)
    if holds.all():
        return
    index = tuple(int(i) for i in np.argwhere(~holds)[0])
    where = f" at index {index}" if index else ""
    raise ValueError(f"{who} needs {what}, and was given {np.asarray(given)[index]}{where}")


def nan_unless(holds: Any, loss: Array) -> Array:
    """`loss` where `holds` and NaN elsewhere, in its gradient too: a traced target cannot raise, but must not pass."""
    return loss * jnp.where(holds, 1, jnp.nan).astype(loss.dtype)
