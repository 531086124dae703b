"""Losses: pure functions `loss(prediction, target, **settings)` with one value an example; `mean` reduces them.

They sum over classes or average over features, never over the batch, and broadcast nothing.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from jax import Array

from ..core import Record, did_you_mean
from ._absolute_error import absolute_error as absolute_error
from ._check_labels import check_labels as check_labels
from ._focal import focal as focal
from ._hinge import hinge as hinge, multiclass_hinge as multiclass_hinge
from ._huber import huber as huber
from ._kl_divergence import kl_divergence as kl_divergence
from ._log_cosh import log_cosh as log_cosh
from ._mean import mean as mean
from ._sigmoid_cross_entropy import sigmoid_cross_entropy as sigmoid_cross_entropy
from ._smooth_labels import smooth_labels as smooth_labels
from ._softmax_cross_entropy import softmax_cross_entropy as softmax_cross_entropy
from ._squared_error import squared_error as squared_error

log_loss = sigmoid_cross_entropy

# Other names that people look for.
_ALSO = {
    "cross_entropy": "softmax_cross_entropy",
    "log_loss": "sigmoid_cross_entropy",
    "mae": "absolute_error",
    "mse": "squared_error",
}


def get(name: str, **settings: Any) -> Callable[..., Array]:
    """The loss of that name with these settings: `get("huber", delta=0.5)(prediction, target)`.

    Args:
        name: a name in `records()`, or "cross_entropy", "log_loss", "mae", "mse".
        **settings: its keyword arguments.

    Returns:
        The function of prediction and target.

    Raises:
        ValueError: on an unknown name (with the nearest known ones) or an unknown setting.
    """
    known = records()
    canonical = _ALSO.get(name, name)
    if canonical not in known:
        raise did_you_mean("losses.get", name, [*known, *_ALSO])
    make = known[canonical].make
    try:
        inspect.signature(make).bind_partial(**settings)
    except TypeError as error:
        raise ValueError(f"losses.get({name!r}): {error}") from None
    return partial(make, **settings) if settings else make


def records() -> dict[str, Record]:
    """Every loss's record by its name."""
    from ._records import RECORDS

    return {record.name: record for record in RECORDS}
