"""A trace as a graph in rows: a step stands below all that it takes, the loss at the bottom."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ._local import quotient
from ._numbers import same_number, uniform

_LANE = 0.25  # the width of an edge that passes a row, in boxes


class Node(NamedTuple):
    """A value.

    Attributes:
        name: its name in the trace.
        operation: what makes it; "" for an input.
        x: where its middle is, in boxes.
        row: 0 is the uppermost.
    """

    name: str
    operation: str
    x: float
    row: int


class Edge(NamedTuple):
    """From a value to one that is made of it.

    Attributes:
        source: the name of the value.
        target: the name of what is made of it.
        points: (x, row) from box to box.
        slope: the local derivative where it is one number for all entries, else "".
    """

    source: str
    target: str
    points: tuple[tuple[float, int], ...]
    slope: str


def graph(trace: Any) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """The nodes and edges of a `Trace`; values that nothing is made of are left out, but for the loss."""
    operations = {name: step.operation for step in trace.forward for name in step.outputs}
    links = [(source, name) for step in trace.forward for name in step.outputs for source in step.inputs]
    used = {source for source, _ in links} | {trace.loss_name} & trace.values.keys()
    links = [(source, target) for source, target in links if source in used and target in used]
    rows = _rows(links, [name for name in operations if name in used])
    rows = rows or dict.fromkeys(used, 0)
    lanes = {
        link: [link[0], *((link, row) for row in range(rows[link[0]] + 1, rows[link[1]])), link[1]] for link in links
    }
    x = _places(rows, list(lanes.values()), set(operations))
    nodes = tuple(Node(name, operations.get(name, ""), x[name], row) for name, row in rows.items())
    place = lambda each: (x[each], rows[each] if isinstance(each, str) else each[1])  # noqa: E731
    slopes = _slopes(trace)
    return nodes, tuple(Edge(*link, tuple(map(place, lane)), slopes.get(link, "")) for link, lane in lanes.items())


def _rows(links: list[tuple[str, str]], made: list[str]) -> dict[str, int]:
    """A row for each value: what is made as high as it can stand, an input just above where it is first taken."""
    rows: dict[str, int] = {}
    for name in made:  # in the program's order
        rows[name] = 1 + max((rows[source] for source, target in links if target == name and source in rows), default=0)
    for source, target in links:
        if source not in made:
            rows[source] = min(rows.get(source, rows[target]), rows[target] - 1)
    return rows


def _places(rows: dict[str, int], lanes: list[list[Any]], made: set[str]) -> dict[Any, float]:
    """Where each value and each passing edge stands: from the bottom up, above the middle of what it leads to."""
    below: dict[Any, list[Any]] = {}
    levels: dict[int, dict[Any, float]] = {}  # row -> what stands there -> its width
    for name, row in rows.items():
        levels.setdefault(row, {})[name] = 1.0
    for lane in lanes:
        for upper, lower in pairwise(lane):
            below.setdefault(upper, []).append(lower)
        for point in lane[1:-1]:
            levels[point[1]][point] = _LANE
    x: dict[Any, float] = {}
    for row in sorted(levels, reverse=True):
        wished = {each: float(np.mean([x[lower] for lower in below.get(each, ())] or [0.0])) for each in levels[row]}
        # A chain of steps is to run straight down, with its inputs beside it.
        order = sorted(wished, key=lambda each: (wished[each], each not in made and isinstance(each, str)))
        edge = -np.inf
        for each in order:
            half = levels[row][each] / 2
            x[each] = max(wished[each], edge + half)
            edge = x[each] + half
        fixed = [each for each in order if each in made] or order
        shift = np.mean([wished[each] - x[each] for each in fixed])
        for each in order:
            x[each] += float(shift)
    return x


def _slopes(trace: Any) -> dict[tuple[str, str], str]:
    """The local derivatives of operations on single entries, where all entries have the same."""
    found = {}
    for step in trace.backward:
        for each in step.derivatives:
            pointwise = each.local and quotient(each.through[0], each.by) in each.rule
            if pointwise and uniform(each.local_value) and ", input " not in each.part:
                found[each.by, each.through[0]] = same_number(each.local_value, 3)
    return found
