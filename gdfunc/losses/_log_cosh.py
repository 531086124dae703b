import math
from typing import Any

import jax.numpy as jnp
from jax import Array

from ._regression import mean_over_features


def log_cosh(prediction: Any, target: Any, *, axis: int | None = -1) -> Array:
    r"""A smooth Huber loss: half a square near zero, |e| - log 2 far out (Saleh & Saleh 2022, <https://arxiv.org/abs/2208.04564>).

    $$\ell = \frac1d \sum_{i=1}^d \log \cosh(\hat y_i - y_i)$$

    Its derivative is tanh of the error. Errors far below 1 keep all their digits, which are lost in
    log((exp(e) + exp(-e)) / 2).

    Args:
        prediction: (..., features), floating-point.
        target: shaped as `prediction`, real; y.
        axis: the feature axis that is averaged over; None for none, where each example is one number: (batch,).

    Returns:
        (...), one loss an example, in the dtype of `prediction`. A single number has no features and is one example.

    Raises:
        ValueError: on a prediction that is not floating-point, or shapes that differ: nothing is broadcast.
    """

    def log_cosh_of(e):
        near = jnp.abs(e) < 1
        # cosh(e) = 1 + 2 sinh(e / 2)**2, which subtracts nothing; far out it would overflow.
        inner = jnp.log1p(2 * jnp.square(jnp.sinh(jnp.where(near, e, 0) / 2)))
        far = jnp.abs(e)
        return jnp.where(near, inner, far + jnp.log1p(jnp.exp(-2 * far)) - math.log(2))

    return mean_over_features("log_cosh", log_cosh_of, prediction, target, axis)
