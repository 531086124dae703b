"""What is fixed when a run's loop compiles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
        instruments: the names of what is read of every layer, at the same steps.
    """

    loss_fn: Callable[..., Any]
    has_aux: bool
    batches: Batches
    chunk: int
    measure: Callable[..., Any] | None
    every: int
    transformation: Any
    instruments: tuple[str, ...] = ()
