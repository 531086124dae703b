"""Gathers what a run records, chunk by chunk, on the host."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..core import Tree
from ..instruments import INSTRUMENTS
from ._checks import owned
from ._history import History, by_name, concatenate, join, to_numpy, until
from ._recording import Recording
from ._step import Row


class Log:
    """The rows of one run, after those of the run that it continues.

    Args:
        before: the history that is continued, or None.
        first: the updates made before.
        evaluate: as given to `train`.
        recording: when instruments are read, and where their readings go as they come.
    """

    def __init__(
        self,
        before: History | None,
        first: int,
        evaluate: Callable[[Tree], Any] | None,
        recording: Recording,
    ):
        self._before = None if before is None else until(before, first)
        self._evaluate, self._recording = evaluate, recording
        self._rows: list[Row] = []
        self._evaluations: list[tuple[int, dict[str, np.ndarray]]] = []
        self._evaluated = -1 if before is None or not len(before.evaluated_step) else int(before.evaluated_step[-1])
        self.loss = float("nan")

    def add(self, chunk: Row, count: int) -> None:
        """The first `count` of a chunk's rows."""
        rows: Any = jax.tree.map(lambda x: to_numpy(x)[:count], chunk)
        self._rows.append(rows)
        self.loss = float(rows.loss[-1])
        self._recording.add(rows)

    def evaluate(self, step: int, params: Tree) -> None:
        """Evaluates after `step` updates, once."""
        if self._evaluate is None or step <= self._evaluated:
            return
        # A copy: evaluate may keep it, and the original is donated to the next chunk.
        values = by_name(self._evaluate(owned(params)))
        self._evaluations.append((step, {name: value[None] for name, value in values.items()}))
        self._evaluated = step

    def history(self) -> History:
        """All of it."""
        rows = jax.tree.map(lambda *pieces: np.concatenate(pieces), *self._rows)
        due = self._recording.due(rows.step)
        readings = {name: x[due] for name, x in {**rows.readings, **rows.passed}.items()}
        layers = {name: x for name, x in readings.items() if name in INSTRUMENTS and INSTRUMENTS[name].of != "run"}
        new = History(
            step=rows.step,
            loss=rows.loss,
            grad_norm=rows.grad_norm,
            update_norm=rows.update_norm,
            param_norm=rows.param_norm,
            aux=by_name(rows.aux),
            measured_step=rows.step[due],
            measured={name: x[due] for name, x in by_name(rows.measured).items()},
            layers=layers,
            layer_names=np.asarray(self._recording.layer_names if layers else (), np.str_),
            run={name: x for name, x in readings.items() if name not in layers},
            evaluated_step=np.asarray([step for step, _ in self._evaluations], np.int32),
            evaluated=join([values for _, values in self._evaluations], "evaluated"),
        )
        return new if self._before is None else concatenate(self._before, new)
