"""One row a parameter: layer, weights, outputs, gradients."""

from typing import Any, NamedTuple

from ._formulas import REARRANGING
from ._forward import Value
from ._program import Program, Ref, Step


class Row(NamedTuple):
    """A leaf of the parameters.

    Attributes:
        layer: its path.
        weights: its value.
        output: the name of the first value that it is used for, past operations that only move entries; "" for none.
        output_value: that value.
        output_gradient: the loss's gradient by that value; None for none.
        gradient: the loss's gradient by the weights; zeros where the loss does not hang on them.
        note: why the gradient is zero, where no number is needed to see it.
    """

    layer: str
    weights: Any
    output: str
    output_value: Any
    output_gradient: Any
    gradient: Any
    note: str = ""


def table(program: Program, values: dict[Ref, Value], params: list[Ref], gradients: list[Any]) -> tuple[Row, ...]:
    """The rows, in the order in which the loss takes the parameters; those that it does not take last."""
    first: dict[Ref, int] = {}
    for i, step in enumerate(program.steps):
        for use in step.uses:
            first.setdefault(use.ref, i)
    rows = []
    for ref, gradient in zip(params, gradients, strict=True):
        at, output = first.get(ref), None
        if at is not None:
            output = values[_output(program.steps, at)]
        elif values[ref].gradient is not None:  # the loss itself
            output = values[ref]
        note = "" if values[ref].gradient is not None else "no gradient passes" if output else "not reached by the loss"
        shown = (output.name, output.value, output.gradient) if output else ("", None, None)
        row = Row(values[ref].name, values[ref].value, *shown, gradient, note)
        rows.append((len(program.steps) if at is None else at, row))
    return tuple(row for _, row in sorted(rows, key=lambda pair: pair[0]))


def _output(steps: list[Step], at: int) -> Ref:
    """What a step gives; what the next step makes of it, where this one only moves entries."""
    ref = steps[at].outputs[0]
    if steps[at].eqn.primitive.name in REARRANGING and len(steps[at].uses) == 1:
        for later, step in enumerate(steps[at + 1 :], at + 1):
            if any(use.ref == ref for use in step.uses):
                return _output(steps, later)
    return ref
