from typing import Any

import jax.numpy as jnp
from jax import Array

from ..core import wide
from ._checks import floating, must_hold, real, same_shape


def mean(losses: Any, weights: Any = None) -> Array:
    r"""The mean of per-example losses, each weighed on request.

    $$L = \frac{\sum_i w_i \ell_i}{\sum_i w_i}$$

    Args:
        losses: per-example losses of any shape, floating-point.
        weights: shaped as `losses`, w >= 0: 1 for an example that counts and 0 for padding. An example of weight 0 still
            needs a valid label, because 0 times NaN is NaN. None: all weigh 1.

    Returns:
        () in the dtype of `losses`, summed in at least float32; 0 with gradient 0 where all weights are 0.

    Raises:
        ValueError: on losses that are not floating-point, no losses, weights of another shape, or a negative weight.
    """
    losses = floating("mean", "losses", losses)
    if losses.size == 0:
        raise ValueError(f"mean needs at least one loss, and was given shape {losses.shape}")
    if weights is None:
        return jnp.mean(wide(losses)).astype(losses.dtype)
    weights = real("mean", "weights", weights)
    same_shape("mean", losses=losses, weights=weights)
    must_hold("mean", "weights >= 0", weights, weights >= 0)
    w = weights.astype(wide(losses).dtype)
    total = jnp.sum(w)
    return (jnp.sum(w * wide(losses)) / jnp.where(total > 0, total, 1)).astype(losses.dtype)
