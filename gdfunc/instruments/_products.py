"""Which parameters go into one operation, and nothing else: the weights of a product, a convolution or a look-up."""

import math
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import jaxpr as jx
from . import _windows as windows
from ._gram import End, Product
from ._look_up import LookUp, look_up
from ._program import Block, Op, Ref
from ._sites import LAYOUT

Uses = dict[Ref, list[tuple[Block, Op | None, int]]]


class Use(NamedTuple):
    """The one operation that a parameter goes into.

    Attributes:
        block: where it stands.
        op: the operation.
        index: which of its inputs the parameter is.
        lengths: of the scans around it, from the outermost, each of whose turns takes a slice of the parameter.
        slice: shape and dtype of what a turn takes of it.
        layout: the changes of layout and dtype before the operation, in order.
        sliced_first: whether none of them comes before a slicing.
    """

    block: Block
    op: Op
    index: int
    lengths: tuple[int, ...]
    slice: Any
    layout: tuple[Op, ...]
    sliced_first: bool


def only_uses(program: Block, count: int) -> list[Use | None]:
    """Of each of the first inputs the one operation that it goes into; None where there are more, or none."""
    uses: Uses = defaultdict(list)
    for block in program.within():
        taken = [(op, i, x) for op in block.ops for i, x in enumerate(op.inputs)]
        for op, i, x in [*taken, *((None, 0, x) for x in block.outputs)]:
            if not isinstance(x, jx.Literal):
                uses[x].append((block, op, i))
    return [_only_use(uses, ref, program.avals[ref]) for ref in program.inputs[:count]]


def _only_use(uses: Uses, ref: Ref, aval: Any) -> Use | None:
    lengths, layout, sliced_first = (), (), True
    while len(uses[ref]) == 1:
        block, op, i = uses[ref][0]
        if op is None or not _real(block, ref):
            return None
        if op.name in ("remat2", "checkpoint", "remat"):
            ref = op.blocks[0].inputs[i]
        elif op.name == "scan" and i >= sum(jx.scan_counts(op.eqn)):  # a slice of it at each turn
            ref, lengths = op.blocks[0].inputs[i], (*lengths, op.eqn.params["length"])
            aval, sliced_first = op.blocks[0].avals[ref], not layout
        elif op.name in LAYOUT and math.prod(block.avals[op.outputs[0]].shape) == math.prod(block.avals[ref].shape):
            ref, layout = op.outputs[0], (*layout, op)
        else:
            return Use(block, op, i, lengths, aval, layout, sliced_first)
    return None


def products(program: Block, count: int) -> dict[int, Product | LookUp]:
    """Which of the first inputs are used once in a turn, and need no gradient: a `Product`'s weights, a table's rows."""
    found = {i: use and (product(use) or _rows(program, use)) for i, use in enumerate(only_uses(program, count))}
    return {i: each for i, each in found.items() if each}


def product(use: Use, axes: Mapping[Ref, int] | None = None) -> Product | None:
    """What a parameter is the weights of; where `axes` are given, in a program of a batch whose examples lie along them."""
    if use.op.name == "dot_general":
        found = _product(use, axes or {})
        return found if found and (axes or found.cheaper) else None
    return _convolution(use, axes or {}) if use.op.name == "conv_general_dilated" and use.index == 1 else None


def _rows(program: Block, use: Use) -> LookUp | None:
    # The indices of a look-up inside a loop cannot be had: they have no gradient to be handed out with.
    return look_up(use.block, use.op) if (use.op.name, use.index) == ("gather", 0) and use.block is program else None


def _product(use: Use, axes: Mapping[Ref, int]) -> Product | None:
    block, op, weights = use.block, use.op, use.index
    a, z = op.inputs[1 - weights], op.outputs[0]
    if not probed(block, a, z):
        return None
    summed, shared = (tuple(each[1 - weights]) for each in op.eqn.params["dimension_numbers"])
    positions = len(block.avals[a].shape) - len(summed) - len(shared)
    given = range(len(shared), len(block.avals[z].shape))  # and A's own, after those of the left operand
    given = tuple(given[positions:] if weights == 1 else given[: len(given) - positions])
    rows = lambda a: lambda place: _matrices(a, summed, shared)  # noqa: E731
    batch, nowhere = tuple(range(len(shared))), np.zeros((1, 0), int)
    ends = End(a, block.avals[a], axes.get(a, -1)), End(z, block.avals[z], axes.get(z, -1))
    return Product(*ends, use.lengths, rows, lambda z: _matrices(z, given, batch), nowhere)


def _convolution(use: Use, axes: Mapping[Ref, int]) -> Product | None:
    block, (a, kernel), (z,), params = use.block, use.op.inputs, use.op.outputs, use.op.eqn.params
    if params["batch_group_count"] != 1 or not probed(block, a, z):
        return None
    rows = partial(windows.passed_over, params, block.avals[z].shape)
    places = windows.places(params, block.avals[kernel].shape)
    ends = End(a, block.avals[a], axes.get(a, -1)), End(z, block.avals[z], axes.get(z, -1))
    return Product(*ends, use.lengths, rows, partial(windows.put_out, params), places)


def _matrices(x: Array, features: tuple[int, ...], batch: tuple[int, ...]) -> Array:
    """(batch, positions, features), the positions along the axes that are left."""
    positions = tuple(i for i in range(x.ndim) if i not in batch + features)
    shape = (math.prod(x.shape[axis] for axis in axes) for axes in (batch, positions, features))
    return x.transpose(batch + positions + features).reshape(*shape)


def probed(block: Block, a: Any, z: Ref) -> bool:
    """Whether probes can look at both: a constant of the program meets none."""
    return not isinstance(a, jx.Literal) and a not in block.consts and _real(block, a) and _real(block, z)


def _real(block: Block, ref: Ref) -> bool:
    return jnp.issubdtype(block.avals[ref].dtype, jnp.floating)
