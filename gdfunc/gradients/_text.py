"""A trace as text: the table, then both passes as on a board."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._backward import Backward, Derivative, Sum
from ._forward import Forward
from ._local import quotient
from ._numbers import MOST, in_numbers, same_number
from ._table import Row

COLUMNS = ("layer", "weights", "outputs", "gradients")


def as_text(trace: Any) -> str:
    """The whole trace."""
    parts = [
        f"{trace.loss_name} = {in_numbers(trace.loss)}",
        "\n".join(_aligned([COLUMNS, *(cells(row, trace.loss_name) for row in trace.table)])),
        "\n".join(["Forward", *(f"  {line}" for step in trace.forward for line in forward_lines(step))]),
        "\n".join(["Backward", f"  {seed(trace)}"]),
        *("\n".join(f"  {line}" for line in backward_lines(step, trace.loss_name)) for step in trace.backward),
    ]
    return "\n\n".join(parts)


def cells(row: Row, loss: str) -> tuple[str, str, str, str]:
    """A row of the table; a matrix has a line for each of its rows."""
    outputs, gradients = "", [_named(quotient(loss, row.layer), row.gradient)]
    if row.output:
        outputs = _named(row.output, row.output_value)
    if row.output_gradient is not None and row.output != row.layer:
        gradients.insert(0, _named(quotient(loss, row.output), row.output_gradient))
    if row.note:
        gradients = [f"{quotient(loss, row.layer)} = 0: {row.note}"]
    return row.layer, _matrix(row.weights), outputs, "\n".join(gradients)


def seed(trace: Any) -> str:
    """The first line of the backward pass."""
    return f"{quotient(trace.loss_name, trace.loss_name)} = 1"


def forward_lines(step: Forward) -> list[str]:
    """A step of the forward pass: `z1 = u1 + b1 = [0.38, 0.39]`; one that gives several values has a line for each."""
    if len(step.outputs) == 1:
        return [f"{step.outputs[0]} = {step.operation} = {in_numbers(step.values[0])}"]
    values = zip(step.outputs, step.values, strict=True)
    return [f"{', '.join(step.outputs)} = {step.operation}", *(f"  {name} = {in_numbers(x)}" for name, x in values)]


def backward_lines(step: Backward, loss: str) -> list[str]:
    """A step of the backward pass: the operation, and beneath it what it passes on to each input."""
    lines = [f"{', '.join(step.outputs)} = {step.operation}"]
    for each in step.derivatives:
        said = [loss_line(each, loss)] if step.outputs == (loss,) else [local_line(each), chain_line(each, loss)]
        lines += [f"  {line}" for line in said if line]
    return lines + [f"  {sum_line(total, loss)}" for total in step.sums]


def loss_line(each: Derivative, loss: str) -> str:
    """The loss's own step, of which the local derivative is the gradient: `dL/dv1 = 1 / 2 = 0.5`."""
    rule = each.rule if each.local and each.local_value is None else each.local
    said = "" if rule == same_number(each.value) else rule
    return _equal(_part(each, loss), said, in_numbers(each.value))


def local_line(each: Derivative) -> str:
    """`da1/dz1 = a1 * (1 - a1) = 0.24`; empty where there is nothing to say."""
    if not each.local and each.local_value is None:
        return ""
    place = each.part.partition(", input ")[2]
    name = quotient(each.through[0], each.by) + (f" (input {place})" if place else "")
    return _equal(name, each.local, "" if each.local_value is None else same_number(each.local_value))


def chain_line(each: Derivative, loss: str) -> str:
    """`dL/dz1 = dL/da1 * da1/dz1 = 0.5 * 0.24 = 0.12`."""
    factors, product = [*each.incoming, each.local_value], ""
    if " * " in each.rule and len(factors) == 2 and all(x is not None and np.size(x) == 1 for x in factors):
        product = " * ".join(_factor(same_number(x)) for x in factors)
    return _equal(_part(each, loss), each.rule, product, in_numbers(each.value))


def _part(each: Derivative, loss: str) -> str:
    return quotient(loss, each.by) + (f" through {each.part}" if each.part else "")


def _equal(*terms: str) -> str:
    """The terms with equal signs between; none is said twice."""
    return " = ".join(dict.fromkeys(term for term in terms if term))


def sum_line(total: Sum, loss: str) -> str:
    """`dL/dx = 0.1 (through v1) + 0.2 (through v2) = 0.3`; the parts of a long one stand above it in numbers."""
    short = np.size(total.value) <= 4
    parts = " + ".join(
        f"{_factor(in_numbers(x))} (through {name})" if short else f"that through {name}" for name, x in total.parts
    )
    return f"{quotient(loss, total.by)} = {parts} = {in_numbers(total.value)}"


def _factor(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _named(name: str, value: Any) -> str:
    first, *others = _matrix(value).split("\n")
    return "\n".join([f"{name} = {first}", *(" " * (len(name) + 3) + line for line in others)])


def _matrix(value: Any) -> str:
    x = np.asarray(value)
    if x.ndim != 2 or x.size > MOST or len(x) < 2:
        return in_numbers(value)
    rows = [in_numbers(row) for row in x]
    return "[" + ",\n ".join(rows) + "]"


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """The rows in columns; a cell may have several lines."""
    lines = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max(len(line) for row in lines for line in row[i]) for i in range(len(rows[0]))]
    for n, row in enumerate(lines):
        for k in range(max(map(len, row))):
            parts = (cell[k] if k < len(cell) else "" for cell in row)
            yield "  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        if not n:
            yield "  ".join("-" * width for width in widths)
