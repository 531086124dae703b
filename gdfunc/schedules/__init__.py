"""Schedules: pytrees of numbers that are functions of the step. Any hyperparameter of a rule may be one.

Step 0 is the first update. A curve over `steps` steps has step / steps of its way behind it, and holds its last value.
"""

import inspect
from typing import Any

from ..core import Record, did_you_mean
from ._constant import Constant as Constant
from ._cosine import Cosine as Cosine, CosineRestarts as CosineRestarts
from ._exponential import Exponential as Exponential
from ._inverse_sqrt import InverseSqrt as InverseSqrt, noam as noam
from ._join import Join as Join
from ._one_cycle import OneCycle as OneCycle
from ._piecewise import Piecewise as Piecewise
from ._polynomial import Linear as Linear, Polynomial as Polynomial
from ._schedule import Schedule as Schedule
from ._step import Step as Step
from ._warmup import Warmup as Warmup, warmup_cosine as warmup_cosine
from ._warmup_stable_decay import WarmupStableDecay as WarmupStableDecay

# Other names that people look for.
_ALSO = {
    "noam": noam,
    "onecycle": OneCycle,
    "sgdr": CosineRestarts,
    "warmup_cosine": warmup_cosine,
    "wsd": WarmupStableDecay,
}


def get(name: str, **settings: Any) -> Schedule:
    """The schedule of that name: `get("cosine", peak=1e-3, steps=1000)`.

    Args:
        name: a name in `records()`, or "noam", "onecycle", "sgdr", "warmup_cosine", "wsd".
        **settings: its arguments.

    Returns:
        The schedule.

    Raises:
        ValueError: on an unknown name (with the nearest known ones), a missing or unknown argument, or a value out of range.
    """
    makers = {**{key: record.make for key, record in records().items()}, **_ALSO}
    if name not in makers:
        raise did_you_mean("schedules.get", name, makers)
    try:
        inspect.signature(makers[name]).bind(**settings)
    except TypeError as error:
        raise ValueError(f"schedules.get({name!r}): {error}") from None
    return makers[name](**settings)


def records() -> dict[str, Record]:
    """Every schedule's record by its lower-case name."""
    from ._records import RECORDS

    return {record.name: record for record in RECORDS}
