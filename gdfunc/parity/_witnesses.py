"""What the paper, Optax and PyTorch make of the built-in stream at a record's setting."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core import Record, Twin
from ..rules._records._common import follow_paper, scheduled
from ._modes import Mode
from ._recorded import key, recorded
from ._run import Updates, run
from ._stream import Stream, stream
from ._twins import Some, build


def paper_updates(record: Record, settings: Mapping[str, Any], mode: Mode) -> Updates | None:
    """The updates of the paper's formula in NumPy.

    Args:
        record: a rule's.
        settings: the rule's keyword arguments.
        mode: the precision that the float64 result is rounded to.

    Returns:
        leaf path -> (steps, ...); None where the record's transcription does not cover these settings.
    """
    return transcribe(record, record.make(**settings), settings, stream(), mode)


def witness_updates(record: Record, twin: Twin, settings: Mapping[str, Any], mode: Mode) -> Updates | None:
    """The updates of another library's version: Optax run now, PyTorch as it was recorded.

    Args:
        record: a rule's.
        twin: one of its twins.
        settings: our rule's keyword arguments; for PyTorch one of the record's settings.
        mode: the precision.

    Returns:
        leaf path -> (steps, ...); None where the library has no such setting, or it was not recorded.
    """
    if twin.library == "torch":
        return recorded(key("rules", record.name, twin.name, settings, mode.dtype))
    built = build(twin, record.make(**settings))
    return None if isinstance(built, str) else run(Some(built, twin.takes), stream(), mode)


def transcribe(
    known: Record, rule: Any, settings: Mapping[str, Any], data: Stream, mode: Mode
) -> dict[str, Any] | None:
    """The paper's updates; None where the transcription does not cover a setting that leaves its default."""
    if known.transcription is None:
        return None
    names = list(inspect.signature(known.transcription).parameters)[2:]
    plain = {name: value for name, value in settings.items() if name not in scheduled(names)}
    if not set(plain) <= set(names) or any(callable(value) for value in plain.values()):
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        updates = follow_paper(known.transcription, rule, data.gradients, data.params, data)
    return {leaf: np.asarray(u).astype(mode.dtype) for leaf, u in updates.items()}
