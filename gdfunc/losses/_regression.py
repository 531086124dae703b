from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from ..core import wide
from ._checks import floating, real, same_shape


def mean_over_features(
    who: str, loss: Callable[[Array], Array], prediction: Any, target: Any, axis: int | None
) -> Array:
    """The mean over `axis` of `loss(prediction - target)`, which is at least float32 inside, in the prediction's dtype."""
    prediction, target = floating(who, "prediction", prediction), real(who, "target", target)
    same_shape(who, prediction=prediction, target=target)
    error = wide(prediction)
    error = error - target.astype(error.dtype)
    if axis is not None and error.ndim:
        if not isinstance(axis, int) or not -error.ndim <= axis < error.ndim:
            raise ValueError(f"{who} needs axis to be None or an axis of {error.shape}, and was given axis={axis!r}")
        return jnp.mean(loss(error), axis).astype(prediction.dtype)
    return loss(error).astype(prediction.dtype)
