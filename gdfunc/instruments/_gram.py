"""Where a parameter's gradient is a product of two arrays, so that its norm needs no gradient."""

import math
from collections import defaultdict
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from ..core import jaxpr as jx, wide
from ._program import Block, Op, Ref
from ._run import Probe
from ._sites import LAYOUT


class Product(NamedTuple):
    """Z = A W with a parameter W: the axes along which a gradient's norm is put together from A and delta = dL/dZ."""

    block: Block
    a: Ref
    z: Ref
    shared: tuple[int, ...]  # of A: batch axes, which W has too and Z has first
    summed: tuple[int, ...]  # of A
    given: tuple[int, ...]  # of Z: those that come from W

    @property
    def cheaper(self) -> bool:
        """Whether the Gram matrices take fewer multiplications than the gradient.

        Where they do not, the gradient is no larger than A and delta together, which are in memory anyway.
        """
        a, z = (self.block.avals[ref].shape for ref in (self.a, self.z))
        summed, given = math.prod(a[i] for i in self.summed), math.prod(z[i] for i in self.given)
        positions = math.prod(n for i, n in enumerate(a) if i not in self.shared + self.summed)
        return positions * (summed + given) < summed * given

    def probes(self) -> dict[Ref, Probe]:
        return {ref: Probe(ref, _same, _same, self.block.avals[ref], ()) for ref in (self.a, self.z)}

    def squared_norm(self, measured: dict[Ref, Any]) -> Array:
        a, delta = measured[self.a][0], measured[self.z][1]
        products = _gram(a, self.summed, self.shared) * _gram(delta, self.given, tuple(range(len(self.shared))))
        return jnp.maximum(jnp.sum(products), 0)  # rounding may take what is all but 0 below it


def _gram(x: Array, summed: tuple[int, ...], shared: tuple[int, ...]) -> Array:
    """X X^T over the positions, the axes that are left."""
    positions = tuple(i for i in range(x.ndim) if i not in shared + summed)
    b, t, i = (math.prod(x.shape[axis] for axis in axes) for axes in (shared, positions, summed))
    x = wide(x).transpose(shared + positions + summed).reshape(b, t, i)
    return jnp.einsum("bti,bsi->bts", x, x, precision=lax.Precision.HIGHEST)


Uses = dict[Ref, list[tuple[Block, Op | None, int]]]


def products(program: Block, count: int) -> dict[int, Product]:
    """Which of the first inputs are used once in the program, as a product's weights, where that helps."""
    uses: Uses = defaultdict(list)
    for block in program.within():
        taken = [(op, i, x) for op in block.ops for i, x in enumerate(op.inputs)]
        for op, i, x in [*taken, *((None, 0, x) for x in block.outputs)]:
            if not isinstance(x, jx.Literal):
                uses[x].append((block, op, i))
    found = {i: _only_product(uses, ref) for i, ref in enumerate(program.inputs[:count])}
    return {i: product for i, product in found.items() if product and product.cheaper}


def _only_product(uses: Uses, ref: Ref) -> Product | None:
    """The one operation that a parameter goes into, if it is a product; past changes of its layout and dtype."""
    while len(uses[ref]) == 1:
        block, op, i = uses[ref][0]
        if op is None or not _real(block, ref):
            return None
        if op.name == "dot_general":
            return _product(block, op, i)
        if op.name in ("remat2", "checkpoint", "remat"):
            ref = op.blocks[0].inputs[i]
        elif op.name in LAYOUT and math.prod(block.avals[op.outputs[0]].shape) == math.prod(block.avals[ref].shape):
            ref = op.outputs[0]
        else:
            return None
    return None


def _product(block: Block, op: Op, weights: int) -> Product | None:
    a, z = op.inputs[1 - weights], op.outputs[0]
    # A constant of the program meets no probe.
    if isinstance(a, jx.Literal) or a in block.consts or not (_real(block, a) and _real(block, z)):
        return None
    summed, shared = (each[1 - weights] for each in op.eqn.params["dimension_numbers"])
    positions = len(block.avals[a].shape) - len(summed) - len(shared)
    given = range(len(shared), len(block.avals[z].shape))  # and A's own, after those of the left operand
    given = given[positions:] if weights == 1 else given[: len(given) - positions]
    return Product(block, a, z, tuple(shared), tuple(summed), tuple(given))


def _real(block: Block, ref: Ref) -> bool:
    return jnp.issubdtype(block.avals[ref].dtype, jnp.floating)


def _same(x: Array) -> Array:
    return x
