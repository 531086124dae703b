from typing import Any

from jax import Array

from ..core import wide
from ._checks import floating, must_hold


def smooth_labels(labels: Any, alpha: Any = 0.1) -> Array:
    r"""Moves a share of each target distribution to the uniform one (Szegedy et al. 2016, CVPR, <https://arxiv.org/abs/1512.00567>, section 7).

    $$q_k = (1 - \alpha)\, y_k + \alpha / K$$

    Args:
        labels: (..., K), floating-point distributions over classes; for integer classes give `softmax_cross_entropy`
            its `smoothing`, or make them one-hot first (`jax.nn.one_hot`).
        alpha: in [0, 1], a pure number: the share that is spread over all classes; 0.1 in the paper.

    Returns:
        (..., K) in the dtype of `labels`.

    Raises:
        ValueError: on labels that are not floating-point distributions, or an alpha out of range.
    """
    y = floating("smooth_labels", "labels (one-hot or other distributions)", labels)
    if y.ndim == 0:
        raise ValueError("smooth_labels needs labels (..., classes), and was given a single number")
    must_hold("smooth_labels", "0 <= alpha <= 1", alpha, (alpha >= 0) & (alpha <= 1))
    return ((1 - alpha) * wide(y) + alpha / y.shape[-1]).astype(y.dtype)
