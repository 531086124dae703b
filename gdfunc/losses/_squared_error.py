from typing import Any

import jax.numpy as jnp
from jax import Array

from ._regression import mean_over_features


def squared_error(prediction: Any, target: Any, *, axis: int | None = -1) -> Array:
    r"""The mean of squares over the features, without a factor 1/2 (Stigler 1981, Annals of Statistics, <https://doi.org/10.1214/aos/1176345451>, on its inventors).

    $$\ell = \frac1d \sum_{i=1}^d (\hat y_i - y_i)^2$$

    "MSE" is its mean over examples. Textbooks that write 1/2 (or sum the features) have half (d times) its gradient.

    Args:
        prediction: (..., features), floating-point.
        target: shaped as `prediction`, real; y.
        axis: the feature axis that is averaged over; None for none, where each example is one number: (batch,).

    Returns:
        (...), one loss an example, in the dtype of `prediction`. A single number has no features and is one example.

    Raises:
        ValueError: on a prediction that is not floating-point, or shapes that differ: nothing is broadcast.
    """
    return mean_over_features("squared_error", jnp.square, prediction, target, axis)
