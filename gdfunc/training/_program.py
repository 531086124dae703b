"""What is fixed when a run's loop compiles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..instruments import in_step_and_apart
from ._batches import Batches


@dataclass(frozen=True)
class Program:
    """What is fixed when the loop compiles: another one is another program.

    Attributes:
        loss_fn: (params, batch) -> loss, or (loss, aux).
        has_aux: which of the two.
        batches: how batches are drawn.
        chunk: the most steps a call makes.
        measure: (params, grads, updates, batch) -> pytree of arrays, or None.
        every: it is recorded at steps 1, 1 + every, ...
        transformation: another library's rule; None where the rule is ours and its numbers are arguments.
        instruments: (name, how many records pass between its readings) of each that is read.
    """

    loss_fn: Callable[..., Any]
    has_aux: bool
    batches: Batches
    chunk: int
    measure: Callable[..., Any] | None
    every: int
    transformation: Any
    instruments: tuple[tuple[str, int], ...] = ()

    @property
    def in_step(self) -> tuple[str, ...]:
        """The instruments that are read with the step's own gradient, at every record."""
        return self._split[0]

    @property
    def apart(self) -> dict[int, tuple[str, ...]]:
        """The others, by how many records pass between their readings."""
        return self._split[1]

    @property
    def _split(self) -> tuple[tuple[str, ...], dict[int, tuple[str, ...]]]:
        return in_step_and_apart(dict(self.instruments), in_step=self.batches.accumulate == 1)
