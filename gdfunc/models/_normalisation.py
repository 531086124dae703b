"""Normalisations: what a layer passes on has mean 0 and variance 1, over a batch, an example's features, or groups of them."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from ..core import wide


class Moments(NamedTuple):
    """Mean and variance of each feature."""

    mean: Array  # (..., features)
    variance: Array  # shaped as the mean; that of the sample: the sum of squares over n


def moments(x: Array) -> Moments:
    """Those of each feature, the last axis, over all the others, in at least float32."""
    x, others = wide(x), tuple(range(x.ndim - 1))
    mean = jnp.mean(x, others)
    return Moments(mean, jnp.mean(jnp.square(x - mean), others))


def batch_norm(
    x: Array, scale: Any = 1.0, shift: Any = 0.0, mean: Any = None, variance: Any = None, eps: Any = 1e-5
) -> Array:
    r"""Batch normalisation: each feature by its mean and variance over the batch (Ioffe & Szegedy 2015, ICML, <https://arxiv.org/abs/1502.03167>, algorithm 1).

    $$y_{ij} = \gamma_j \frac{x_{ij} - \mu_j}{\sqrt{\sigma_j^2 + \epsilon}} + \beta_j \qquad
    \mu_j = \frac1n \sum_i x_{ij} \qquad \sigma_j^2 = \frac1n \sum_i (x_{ij} - \mu_j)^2$$

    Args:
        x: (..., features); i runs over all axes but the last: for images over their places too.
        scale: gamma, (features,) or a number.
        shift: beta, likewise, in units of y.
        mean: mu, in place of the batch's own, in units of x: (features,).
        variance: sigma^2 likewise. (The paper, and PyTorch's running average, have n - 1 under the sum here; Flax's has n.)
        eps: epsilon > 0, in units of x^2; 1e-5 is Flax's and PyTorch's.

    Returns:
        y, shaped as x.

    Raises:
        ValueError: on one of mean and variance without the other, on a single example without both, and on shapes that
            are not x's features'.
    """
    x = _checked("batch_norm", x, eps, scale=scale, shift=shift, mean=mean, variance=variance)
    if (mean is None) != (variance is None):
        raise ValueError(
            f"batch_norm needs both of mean and variance or neither, and was given mean={mean}, variance={variance}"
        )
    if mean is None and x.ndim < 2:
        raise ValueError(
            f"batch_norm needs x of shape (batch, ..., features) or a mean and a variance, and was given {x.shape}"
        )
    mean, variance = moments(x) if mean is None else (mean, variance)
    y = (wide(x) - mean) / jnp.sqrt(variance + eps)
    return (scale * y + shift).astype(x.dtype)


def layer_norm(x: Array, scale: Any = 1.0, shift: Any = 0.0, eps: Any = 1e-5) -> Array:
    r"""Layer normalisation: each example by the mean and variance of its features (Ba, Kiros & Hinton 2016, <https://arxiv.org/abs/1607.06450>, eq 3 and 4).

    $$y_{ij} = \gamma_j \frac{x_{ij} - \mu_i}{\sqrt{\sigma_i^2 + \epsilon}} + \beta_j \qquad
    \mu_i = \frac1d \sum_j x_{ij} \qquad \sigma_i^2 = \frac1d \sum_j (x_{ij} - \mu_i)^2$$

    Args:
        x: (..., features).
        scale: gamma, (features,) or a number.
        shift: beta, likewise, in units of y.
        eps: epsilon > 0, in units of x^2; 1e-5 is PyTorch's, Flax has 1e-6, the paper none.

    Returns:
        y, shaped as x.

    Raises:
        ValueError: on shapes that are not x's features'.
    """
    x = _checked("layer_norm", x, eps, scale=scale, shift=shift)
    return (scale * _standardised(wide(x), (-1,), eps) + shift).astype(x.dtype)


def rms_norm(x: Array, scale: Any = 1.0, eps: Any = 1e-5) -> Array:
    r"""Layer normalisation without the mean: each example by its features' root mean square (Zhang & Sennrich 2019, NeurIPS, <https://arxiv.org/abs/1910.07467>, eq 4).

    $$y_{ij} = \gamma_j \frac{x_{ij}}{\sqrt{\frac1d \sum_j x_{ij}^2 + \epsilon}}$$

    Args:
        x: (..., features).
        scale: gamma, (features,) or a number.
        eps: epsilon > 0, in units of x^2; Flax has 1e-6, PyTorch the spacing of the dtype (1.2e-7 in float32), the paper
            none.

    Returns:
        y, shaped as x.

    Raises:
        ValueError: on a scale that is not of x's features' shape.
    """
    x = _checked("rms_norm", x, eps, scale=scale)
    mean_square = jnp.mean(jnp.square(wide(x)), axis=-1, keepdims=True)
    return (scale * (wide(x) / jnp.sqrt(mean_square + eps))).astype(x.dtype)


def group_norm(x: Array, scale: Any = 1.0, shift: Any = 0.0, groups: int = 32, eps: Any = 1e-5) -> Array:
    r"""Group normalisation: each example by groups of neighbouring channels (Wu & He 2018, ECCV, <https://arxiv.org/abs/1803.08494>, eq 1, 2 and 7).

    $$y_{isc} = \gamma_c \frac{x_{isc} - \mu_{ig}}{\sqrt{\sigma_{ig}^2 + \epsilon}} + \beta_c \qquad
    \mu_{ig}, \sigma_{ig}^2 \text{ over all places } s \text{ and the channels } c \text{ of group } g$$

    One group is layer normalisation over places and channels; as many as channels are instance normalisation.

    Args:
        x: (batch, places..., channels); the places may be missing.
        scale: gamma, (channels,) or a number.
        shift: beta, likewise, in units of y.
        groups: how many, a divisor of the channels; 32 is the paper's.
        eps: epsilon > 0, in units of x^2; 1e-5 is the paper's and PyTorch's, Flax has 1e-6.

    Returns:
        y, shaped as x.

    Raises:
        ValueError: on channels that the groups do not divide, and on shapes that are not x's channels'.
    """
    x = _checked("group_norm", x, eps, scale=scale, shift=shift)
    if x.ndim < 2:
        raise ValueError(f"group_norm needs x of shape (batch, ..., channels), and was given {x.shape}")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or x.shape[-1] % groups:
        raise ValueError(
            f"group_norm needs groups to divide the {x.shape[-1]} channels, and was given groups={groups!r}"
        )
    grouped = wide(x).reshape(*x.shape[:-1], groups, -1)
    places_and_channels = (*range(1, x.ndim - 1), x.ndim)
    y = _standardised(grouped, places_and_channels, eps).reshape(x.shape)
    return (scale * y + shift).astype(x.dtype)


def _standardised(x: Array, axes: tuple[int, ...], eps: Any) -> Array:
    centred = x - jnp.mean(x, axes, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(jnp.square(centred), axes, keepdims=True) + eps)


def _checked(who: str, x: Any, eps: Any, **vectors: Any) -> Array:
    """x as an array, once all fit each other."""
    x = jnp.asarray(x)
    if x.ndim < 1 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"{who} needs a floating-point x of shape (..., features), and was given {x.dtype} of {x.shape}"
        )
    if not isinstance(eps, Tracer) and not 0 < eps < jnp.inf:
        raise ValueError(f"{who} needs a finite eps > 0, and was given eps={eps!r}: what is constant has variance 0")
    for name, vector in vectors.items():
        if vector is not None and jnp.shape(vector) not in ((), x.shape[-1:]):
            needed, given = x.shape[-1:], jnp.shape(vector)
            raise ValueError(f"{who} needs {name} of shape {needed} or a number, and was given {given}")
    return x
