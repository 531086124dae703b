"""Clipping and cleaning of gradients: rules for a chain, `chain(ClipByGlobalNorm(1.0), Adam(1e-3))`, and as functions.

A rule returns the clipped gradient, sign unchanged, and with `keep_norm=True` its state holds the norm before clipping. Each
function returns both.
"""

import inspect
from functools import partial
from typing import Any

from ..core import Record, did_you_mean
from ._adaptive import AdaptiveClip as AdaptiveClip, adaptive_clip as adaptive_clip
from ._block_rms import ClipByBlockRMS as ClipByBlockRMS, clip_by_block_rms as clip_by_block_rms
from ._finite import (
    SkipNonFinite as SkipNonFinite,
    SkipState as SkipState,
    ZeroNonFinite as ZeroNonFinite,
    skip_non_finite as skip_non_finite,
    zero_non_finite as zero_non_finite,
)
from ._global_norm import ClipByGlobalNorm as ClipByGlobalNorm, clip_by_global_norm as clip_by_global_norm
from ._leaf_norm import ClipByLeafNorm as ClipByLeafNorm, clip_by_leaf_norm as clip_by_leaf_norm
from ._per_example import clip_per_example as clip_per_example, per_example_grad as per_example_grad
from ._value import ClipByValue as ClipByValue, clip_by_value as clip_by_value


def records() -> dict[str, Record]:
    """Every clipping's record by its lower-case name."""
    from ._records import RECORDS

    return {record.name: record for record in RECORDS}


def get(name: str, **settings: Any) -> Any:
    """The clipping of that name: `get("clip_by_global_norm", max_norm=1.0)`.

    Args:
        name: a lower-case name from `records()`.
        **settings: its arguments.

    Returns:
        A rule; for "clip_per_example", which is none, the function with its settings filled in.

    Raises:
        ValueError: on an unknown name (with the nearest known ones), a missing or unknown argument, or a value out of
            range.
    """
    known = records()
    if name not in known:
        raise did_you_mean("clipping.get", name, known)
    record = known[name]
    signature = inspect.signature(record.make)
    try:
        signature.bind(**settings) if record.curried else signature.bind(None, **settings)
    except TypeError as error:
        raise ValueError(f"clipping.get({name!r}): {error}") from None
    return record.make(**settings) if record.curried else partial(record.make, **settings)
