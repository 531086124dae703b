"""The forward pass: every step's value."""

from typing import Any, NamedTuple

from ..core import jaxpr as jx
from ._names import as_number, is_number
from ._notation import operation
from ._numbers import in_numbers
from ._program import Program, Ref, Step, Use


class Value(NamedTuple):
    """A value of the program.

    Attributes:
        name: its name in the steps: a parameter's path, z1, ...
        kind: "parameter", "batch", "constant" or "step".
        value: in numbers.
        gradient: of the loss by it, shaped as it; None where the loss has none, or passes none on.
    """

    name: str
    kind: str
    value: Any
    gradient: Any = None


class Forward(NamedTuple):
    """A step of the forward pass.

    Attributes:
        outputs: the names of what it gives.
        operation: what it computes: `x @ w1`.
        inputs: the names of what it takes, numbers left out.
        values: what it gives.
    """

    outputs: tuple[str, ...]
    operation: str
    inputs: tuple[str, ...]
    values: tuple[Any, ...]


def run(program: Program, inputs: list[Any]) -> dict[Ref, Any]:
    """Every value, operation by operation."""
    numbers = {**program.constants, **dict(zip(program.inputs, inputs, strict=True))}
    for step in program.steps:
        numbers |= dict(zip(step.outputs, jx.bind(step.eqn, step.given(numbers)), strict=True))
    return numbers


def input_names(step: Step, names: dict[Ref, str]) -> list[str]:
    """What a step takes, as it stands in a formula: names, and the program's own numbers."""
    return [names[x.ref] if isinstance(x, Use) else as_number(in_numbers(x.val)) for x in step.inputs]


def forward(program: Program, numbers: dict[Ref, Any], names: dict[Ref, str]) -> tuple[Forward, ...]:
    """The steps, in the program's order."""
    return tuple(
        Forward(
            tuple(names[ref] for ref in step.outputs),
            operation(step.eqn, input_names(step, names)),
            tuple(dict.fromkeys(names[use.ref] for use in step.uses if not is_number(program, use.ref))),
            tuple(numbers[ref] for ref in step.outputs),
        )
        for step in program.steps
    )
