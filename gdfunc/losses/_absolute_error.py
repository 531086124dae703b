from typing import Any

import jax.numpy as jnp
from jax import Array

from ._regression import mean_over_features


def absolute_error(prediction: Any, target: Any, *, axis: int | None = -1) -> Array:
    r"""The mean of distances over the features; its minimum is the median (Koenker & Bassett 1978, Econometrica, <https://doi.org/10.2307/1913643>).

    $$\ell = \frac1d \sum_{i=1}^d |\hat y_i - y_i|$$

    The derivative where the two are equal is taken as 0.

    Args:
        prediction: (..., features), floating-point.
        target: shaped as `prediction`, real; y.
        axis: the feature axis that is averaged over; None for none, where each example is one number: (batch,).

    Returns:
        (...), one loss an example, in the dtype of `prediction`. A single number has no features and is one example.

    Raises:
        ValueError: on a prediction that is not floating-point, or shapes that differ: nothing is broadcast.
    """
    return mean_over_features("absolute_error", jnp.abs, prediction, target, axis)
