from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import wide
from ._check_labels import check_labels, in_range
from ._checks import floating, must_hold, nan_unless


def softmax_cross_entropy(logits: Any, labels: Any, *, smoothing: Any = 0.0) -> Array:
    r"""The negative log-likelihood of a class under softmax (Bridle 1990, Neurocomputing, <https://doi.org/10.1007/978-3-642-76153-9_28>).

    $$\begin{aligned}
    \log p_k &= z_k - \log \sum_j e^{z_j} \qquad q_k = (1 - \alpha)\, y_k + \alpha / K \\
    \ell &= -\sum_k q_k \log p_k
    \end{aligned}$$

    Its gradient with respect to the logits is p - q. With alpha > 0 the targets are smoothed (Szegedy et al. 2016, CVPR,
    <https://arxiv.org/abs/1512.00567>, section 7), as `smooth_labels` does.

    Args:
        logits: (..., K), floating-point: z, before the softmax; log-probabilities are logits too.
        labels: (...) integer classes 0 .. K - 1, or (..., K) floating-point distributions over the classes, whose sums
            are not checked.
        smoothing: alpha in [0, 1], a pure number: the share of the target that is spread over all classes.

    Returns:
        (...), one loss an example, in the dtype of `logits`. Where a label is out of range and could not be looked at
        (inside jit or vmap), the loss and its gradient are NaN.

    Raises:
        ValueError: on a wrong dtype or shape, or naming the first label that is out of range.
    """
    who = "softmax_cross_entropy"
    logits, labels = floating(who, "logits", logits), jnp.asarray(labels)
    if logits.ndim == 0:
        raise ValueError(f"{who} needs logits (..., classes), and was given a single number")
    must_hold(who, "0 <= smoothing <= 1", smoothing, (smoothing >= 0) & (smoothing <= 1))
    log_p = jax.nn.log_softmax(wide(logits))
    if jnp.issubdtype(labels.dtype, jnp.floating):
        _check_shape(who, labels, logits.shape, logits.shape)
        loss = -expectation(labels.astype(log_p.dtype), log_p)
    else:
        loss = _of_classes(who, log_p, labels)
    if not isinstance(smoothing, (int, float)) or smoothing > 0:
        # -inf logits (masked classes) stay legal without smoothing: 0 * -inf is never formed.
        loss = (1 - smoothing) * loss - smoothing * jnp.mean(log_p, -1)
    return loss.astype(logits.dtype)


def _of_classes(who: str, log_p: Array, labels: Array) -> Array:
    classes = log_p.shape[-1]
    _check_shape(who, labels, log_p.shape[:-1], log_p.shape)
    check_labels(labels, classes, who)
    valid = in_range(labels, classes)
    index = jnp.where(valid, labels, 0)[..., None].astype(jnp.int32)
    return nan_unless(valid, -jnp.take_along_axis(log_p, index, -1)[..., 0])


def _check_shape(who: str, labels: Array, needed: tuple, logits: tuple) -> None:
    if labels.shape != needed:
        raise ValueError(
            f"{who} needs integer labels of shape {logits[:-1]} or floating-point distributions of shape {logits}, "
            f"and was given {labels.dtype} of shape {labels.shape}"
        )


def expectation(q: Array, log_p: Array) -> Array:
    """Sum of q log p over the last axis, where 0 times log 0 is 0."""
    return jnp.sum(q * jnp.where((q == 0) & (log_p == -jnp.inf), 0, log_p), -1)
