"""PyTorch's updates on the built-in stream, recorded once by `python -m gdfunc.parity.record_torch`."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

VERSION = "2.13.0"


def key(catalogue: str, name: str, twin: str, settings: Mapping[str, Any], dtype: str) -> str:
    """The name under which a recording is kept: what was run, not when."""
    return f"{catalogue}/{name}/{twin}/{json.dumps(settings, sort_keys=True, default=str)}/{dtype}"


def line_key(line: str) -> str:
    """The name under which the updates of a line of PyTorch are kept."""
    return f"lines/{line}/float64"


@cache
def _archive() -> dict[str, np.ndarray]:
    path = files("gdfunc.parity") / "recorded" / f"torch-{VERSION}.npz"
    with path.open("rb") as file, np.load(file) as archive:
        return dict(archive)


def recorded(prefix: str) -> dict[str, np.ndarray] | None:
    """What PyTorch returned, leaf -> array ("" for a bare array); None where nothing was recorded under this key."""
    found = {name[len(prefix) + 1 :]: x for name, x in _archive().items() if name.startswith(prefix + "|")}
    return found or None
