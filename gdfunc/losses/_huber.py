from typing import Any

import jax.numpy as jnp
from jax import Array

from ._checks import must_hold
from ._regression import mean_over_features


def huber(prediction: Any, target: Any, *, delta: Any = 1.0, axis: int | None = -1) -> Array:
    r"""Squares near zero, distances far out: outliers pull with a bounded force (Huber 1964, Annals of Mathematical Statistics, <https://doi.org/10.1214/aoms/1177703732>).

    $$\begin{aligned}
    h(e) &= \begin{cases} \tfrac12 e^2 & |e| \le \delta \\ \delta (|e| - \tfrac12 \delta) & |e| > \delta \end{cases} \\
    \ell &= \frac1d \sum_{i=1}^d h(\hat y_i - y_i)
    \end{aligned}$$

    Unlike `squared_error` it has the factor 1/2, as in the paper. Its derivative is the error clipped to delta.

    Args:
        prediction: (..., features), floating-point.
        target: shaped as `prediction`, real; y.
        delta: delta > 0, in units of the target: errors up to it count as squares.
        axis: the feature axis that is averaged over; None for none, where each example is one number: (batch,).

    Returns:
        (...), one loss an example, in the dtype of `prediction`. A single number has no features and is one example.

    Raises:
        ValueError: on a prediction that is not floating-point, or shapes that differ: nothing is broadcast.
    """
    must_hold("huber", "delta > 0", delta, delta > 0)

    def h(e):
        near = jnp.abs(e) <= delta
        return jnp.where(near, jnp.square(jnp.where(near, e, 0)) / 2, delta * (jnp.abs(e) - delta / 2))

    return mean_over_features("huber", h, prediction, target, axis)
