"""Which layers the instruments of a run read, and its folder."""

from dataclasses import asdict
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Tree
from ..instruments import (
    GLOBAL_NORM,
    INSTRUMENTS,
    Instruments,
    RunFolder,
    absent,
    check_found,
    layer_names,
    left_out_of,
    norm_called,
    trace,
    wanted,
)
from ._batches import Batches
from ._gradients import checked_loss, merged
from ._outcome import Outcome
from ._program import Program


def instruments_of(given: Instruments, rule: Any, batches: Batches, data: Tree) -> tuple[dict[str, int], str]:
    """(name -> how many records pass between its readings, which of a set are left out and why)."""
    lack = absent(rule, _examples(batches, data))
    names = wanted("train", given, lack) if given else {}
    return names, left_out_of("train", given, lack)


class Recording:
    """A run's readings at the steps at which they are due, and its folder.

    Args:
        program: the loop.
        folder: where readings go as they come; None for nowhere.
        params: the parameters.
        data: the data.
        about: what else the folder says of the run.
    """

    def __init__(self, program: Program, folder: RunFolder | None, params: Tree, data: Tree, **about: Any):
        self._program, self._folder, self._about, self._begun = program, folder, about, False
        self._reads = bool(program.instruments) or program.measure is not None
        if program.instruments:
            batch = _batch(program.batches, data)
            one = (
                batch
                if program.batches.accumulate == 1
                else jax.eval_shape(lambda b: jax.tree.map(lambda x: x[0], b), batch)
            )
            self._traced = trace("train", partial(checked_loss, program), params, one, has_aux=True)
            check_found("train", self._traced)
            self.layer_names = layer_names(self._traced)

    def due(self, step: np.ndarray, pace: int = 1) -> np.ndarray:
        """At which of these steps something is read that waits `pace` records between its readings."""
        return ((step - 1) % (self._program.every * pace) == 0) & self._reads

    def add(self, rows: Any) -> None:
        """Writes rows (a `Row` of NumPy arrays) to the folder."""
        self._reads |= bool(rows.passed)
        if self._folder is None:
            return
        if not self._begun:
            self._begin(self._folder, list(rows.passed))
        paces = {**dict(self._program.instruments), **dict.fromkeys(rows.passed, 1)}
        numbers = {**rows.readings, **rows.passed}
        for i in np.flatnonzero(self.due(rows.step)):
            record = {"loss": rows.loss[i], GLOBAL_NORM: rows.grad_norm[i]}
            record |= {name: x[i] for name, x in numbers.items() if self.due(rows.step[i], paces[name])}
            self._folder.add(int(rows.step[i]), record)

    def _begin(self, folder: RunFolder, passed: list[str]) -> None:
        read = {name: INSTRUMENTS[name] for name, _ in self._program.instruments}
        read |= {name: norm_called(name) for name in (GLOBAL_NORM, *passed)}
        folder.start(self._traced, read, self._program.every, **self._about)
        self._begun = True

    def close(self, outcome: Outcome) -> None:
        """Writes what is written at the end."""
        if self._folder is not None:
            self._folder.close(asdict(outcome))


def _batch(batches: Batches, data: Tree) -> Tree:
    """The shapes of a step's batch."""
    start, key = batches.start(0), jax.random.key(0)
    return jax.eval_shape(lambda: batches.draw(data, key, start, jnp.zeros((), jnp.int32))[0])


def _examples(batches: Batches, data: Tree) -> Tree:
    batch = _batch(batches, data)
    return batch if batches.accumulate == 1 else jax.eval_shape(merged, batch)
