from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from ..core import wide
from ._binary import binary
from ._check_labels import check_labels, in_range
from ._checks import floating, nan_unless


def hinge(scores: Any, labels: Any) -> Array:
    r"""The support vector machine's loss: how far a score falls short of a margin of 1 (Cortes & Vapnik 1995, Machine Learning, <https://doi.org/10.1007/BF00994018>).

    $$\ell = \max(0,\ 1 - y s)$$

    Its derivative is -y inside the margin and 0 outside; at the kink y s = 1 it is taken as 0.

    Args:
        scores: any shape, floating-point: s. One yes or no an entry; nothing is summed.
        labels: shaped as `scores`: y, -1 or +1, of any real dtype; 0 and 1 are an error.

    Returns:
        One loss an entry, shaped as `scores` and in its dtype. Where a label is neither -1 nor +1 and could not be looked
        at (inside jit or vmap), the loss and its gradient are NaN.

    Raises:
        ValueError: on scores that are not floating-point, shapes that differ, or naming the first label that is not -1 or +1.
    """
    s, y, valid = binary("hinge", "scores", scores, labels, "labels -1 or +1")
    return nan_unless(valid, jax.nn.relu(1 - y * s)).astype(jnp.result_type(scores))


def multiclass_hinge(
    scores: Any, labels: Any, *, form: Literal["crammer_singer", "weston_watkins"] = "crammer_singer"
) -> Array:
    r"""The hinge loss for several classes (Crammer & Singer 2001, JMLR, <https://www.jmlr.org/papers/v2/crammer01a.html>).

    $$\ell = \max_{k \ne y} \max(0,\ 1 + s_k - s_y) \quad\text{or}\quad \sum_{k \ne y} \max(0,\ 1 + s_k - s_y)$$

    The first form counts the worst rival, the second (Weston & Watkins 1999, ESANN) all of them. Among rivals that tie for
    the worst the gradient is shared equally. PyTorch's multi_margin_loss is the second divided by K.

    Args:
        scores: (..., K), floating-point: s.
        labels: (...) integer classes 0 .. K - 1: y.
        form: "crammer_singer" or "weston_watkins".

    Returns:
        (...), one loss an example, in the dtype of `scores`. Where a label is out of range and could not be looked at
        (inside jit or vmap), the loss and its gradient are NaN.

    Raises:
        ValueError: on a wrong dtype or shape, an unknown form, or naming the first label that is out of range.
    """
    who = "multiclass_hinge"
    scores, labels = floating(who, "scores", scores), jnp.asarray(labels)
    if form not in ("crammer_singer", "weston_watkins"):
        raise ValueError(f"{who} needs form to be 'crammer_singer' or 'weston_watkins', and was given form={form!r}")
    if scores.ndim == 0 or labels.shape != scores.shape[:-1]:
        raise ValueError(
            f"{who} needs scores (..., classes) and labels (...), and was given {scores.shape} and {labels.shape}"
        )
    s, classes = wide(scores), scores.shape[-1]
    check_labels(labels, classes, who)
    valid = in_range(labels, classes)
    y = jnp.where(valid, labels, 0)[..., None].astype(jnp.int32)
    rival = jnp.arange(classes) != y
    short = jnp.where(rival, jax.nn.relu(1 + (s - jnp.take_along_axis(s, y, -1))), 0)
    loss = jnp.max(short, -1) if form == "crammer_singer" else jnp.sum(short, -1)
    return nan_unless(valid, loss).astype(scores.dtype)
