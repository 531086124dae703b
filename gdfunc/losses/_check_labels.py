from typing import Any

import jax.numpy as jnp
from jax import Array

from ._checks import must_hold


def check_labels(labels: Any, classes: int, who: str = "check_labels") -> Array:
    """Raises ValueError naming the first class label that is out of range.

    Losses call it themselves wherever labels can be looked at. Inside jit, vmap or grad with respect to the labels they
    cannot, so check a data set once before training; there an out-of-range label makes the loss NaN.

    Args:
        labels: integers of any shape; 0 is the first class.
        classes: K, how many classes there are.
        who: the caller, for the error.

    Returns:
        The labels as an array.

    Raises:
        ValueError: on a dtype that is not an integer one, or at the first label outside 0 .. K - 1.
    """
    labels = jnp.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"{who} needs integer class labels, and was given {labels.dtype}")
    must_hold(who, f"0 <= label < {classes}", labels, in_range(labels, classes))
    return labels


def in_range(labels: Array, classes: int) -> Array:
    """Where labels are classes."""
    return (labels >= 0) & (labels < classes)
