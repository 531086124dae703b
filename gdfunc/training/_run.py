"""What `train` returns."""

from dataclasses import dataclass
from typing import Any

from jax import Array

from ..core import Tree, tree_size
from ._history import History
from ._outcome import Outcome


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. Given to `train` in place of the parameters, it goes on where it ended.

    Attributes:
        params: the parameters at the end, all finite.
        state: the rule's state at the end.
        history: what was recorded, a row a step.
        outcome: why the run ended, and a remedy in words.
        step: the number of updates made.
        key: the key that the batches are drawn with.
    """

    params: Tree
    state: Any
    history: History
    outcome: Outcome
    step: int
    key: Array

    def __repr__(self) -> str:
        loss = self.history.loss
        return (
            f"Run(loss {loss[0]:.4g} -> {loss[-1]:.4g} in {self.step} updates of {tree_size(self.params):,} "
            f"parameters; {self.outcome})"
        )
