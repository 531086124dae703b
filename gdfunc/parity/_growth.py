"""How fast a rule magnifies rounding: what it makes of a stream of which every number is moved by one rounding."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ._divergence import amplification
from ._modes import Mode
from ._run import rows, scan
from ._stream import Stream, stream

PUSHES = 4  # one alone may happen to miss what cancels


def growth(rule: Any, mode: Mode) -> float:
    """What one rounding of all that a rule is given does to its updates on the stream, in rounding errors; 1 or more."""
    return growths({"it": rule}, stream(), mode)["it"]


def growths(things: Mapping[str, Any], data: Stream, mode: Mode) -> dict[str, float]:
    """For each by name, the largest over a few random pushes of one rounding in every number of the stream."""
    with mode():
        compiled = jax.jit(lambda inputs: scan(things, inputs)[1])
        streams = (data, *(_pushed(data, mode, seed) for seed in range(PUSHES)))
        own, *moved = (jax.tree.map(np.asarray, compiled(rows(each, mode))) for each in streams)
    return {name: max(amplification(u, each[name], mode) for each in moved) for name, u in own.items()}


def _pushed(data: Stream, mode: Mode, seed: int) -> Stream:
    random = np.random.RandomState(seed)
    move = lambda x: x * (1 + mode.eps * np.where(random.random_sample(np.shape(x)) < 0.5, -1, 1))  # noqa: E731
    return Stream(*jax.tree.map(move, tuple(data)))
