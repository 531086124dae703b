"""Which parameters are the weights of one product, convolution or look-up, and of nothing else."""

import math
from collections import defaultdict
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import jaxpr as jx
from . import _windows as windows
from ._gram import Product
from ._look_up import LookUp, look_up
from ._program import Block, Op, Ref
from ._sites import LAYOUT

Uses = dict[Ref, list[tuple[Block, Op | None, int]]]


def products(program: Block, count: int) -> dict[int, Product | LookUp]:
    """Which of the first inputs are used once in a turn, and need no gradient: a `Product`'s weights, a table's rows."""
    uses: Uses = defaultdict(list)
    for block in program.within():
        taken = [(op, i, x) for op in block.ops for i, x in enumerate(op.inputs)]
        for op, i, x in [*taken, *((None, 0, x) for x in block.outputs)]:
            if not isinstance(x, jx.Literal):
                uses[x].append((block, op, i))
    found = {i: _only_use(program, uses, ref) for i, ref in enumerate(program.inputs[:count])}
    return {i: product for i, product in found.items() if product}


def _only_use(program: Block, uses: Uses, ref: Ref) -> Product | LookUp | None:
    """The one operation that a parameter goes into, if it is one of these; past changes of its layout and dtype."""
    lengths = ()
    while len(uses[ref]) == 1:
        block, op, i = uses[ref][0]
        if op is None or not _real(block, ref):
            return None
        if op.name == "dot_general":
            found = _product(block, op, i, lengths)
            return found if found and found.cheaper else None
        if op.name == "conv_general_dilated":
            return _convolution(block, op, lengths) if i == 1 else None
        if op.name == "gather":
            # The indices of one inside a loop cannot be had: they have no gradient to be handed out with.
            return look_up(block, op) if block is program and i == 0 else None
        if op.name in ("remat2", "checkpoint", "remat"):
            ref = op.blocks[0].inputs[i]
        elif op.name == "scan" and i >= sum(jx.scan_counts(op.eqn)):  # a slice of it at each turn
            ref, lengths = op.blocks[0].inputs[i], (*lengths, op.eqn.params["length"])
        elif op.name in LAYOUT and math.prod(block.avals[op.outputs[0]].shape) == math.prod(block.avals[ref].shape):
            ref = op.outputs[0]
        else:
            return None
    return None


def _product(block: Block, op: Op, weights: int, lengths: tuple[int, ...]) -> Product | None:
    a, z = op.inputs[1 - weights], op.outputs[0]
    if not _probed(block, a, z):
        return None
    summed, shared = (tuple(each[1 - weights]) for each in op.eqn.params["dimension_numbers"])
    positions = len(block.avals[a].shape) - len(summed) - len(shared)
    given = range(len(shared), len(block.avals[z].shape))  # and A's own, after those of the left operand
    given = tuple(given[positions:] if weights == 1 else given[: len(given) - positions])
    rows = lambda a: lambda place: _matrices(a, summed, shared)  # noqa: E731
    batch = tuple(range(len(shared)))
    return Product(block, a, z, lengths, rows, lambda z: _matrices(z, given, batch), np.zeros((1, 0), int))


def _convolution(block: Block, op: Op, lengths: tuple[int, ...]) -> Product | None:
    (a, kernel), (z,), params = op.inputs, op.outputs, op.eqn.params
    if params["batch_group_count"] != 1 or not _probed(block, a, z):
        return None
    rows = partial(windows.passed_over, params, block.avals[z].shape)
    places = windows.places(params, block.avals[kernel].shape)
    return Product(block, a, z, lengths, rows, partial(windows.put_out, params), places)


def _matrices(x: Array, features: tuple[int, ...], batch: tuple[int, ...]) -> Array:
    """(batch, positions, features), the positions along the axes that are left."""
    positions = tuple(i for i in range(x.ndim) if i not in batch + features)
    shape = (math.prod(x.shape[axis] for axis in axes) for axes in (batch, positions, features))
    return x.transpose(batch + positions + features).reshape(*shape)


def _probed(block: Block, a: Any, z: Ref) -> bool:
    # A constant of the program meets no probe.
    return not isinstance(a, jx.Literal) and a not in block.consts and _real(block, a) and _real(block, z)


def _real(block: Block, ref: Ref) -> bool:
    return jnp.issubdtype(block.avals[ref].dtype, jnp.floating)
