from typing import Any

import jax.numpy as jnp
from jax import Array

from ..core import wide
from ._checks import floating, must_hold, real, same_shape


def binary(who: str, name: str, x: Any, labels: Any, allowed: str) -> tuple[Array, Array, Array]:
    """Scores and labels of one shape in at least float32, and where the labels are `allowed`, checked if possible."""
    x, labels = floating(who, name, x), real(who, "labels", labels)
    same_shape(who, **{name: x, "labels": labels})
    y = labels.astype(wide(x).dtype)
    holds = {
        "labels in [0, 1]": (y >= 0) & (y <= 1),
        "labels 0 or 1": (y == 0) | (y == 1),
        "labels -1 or +1": jnp.abs(y) == 1,
    }[allowed]
    must_hold(who, allowed, labels, holds)
    return wide(x), y, holds
