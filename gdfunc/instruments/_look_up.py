"""A table whose rows are looked up: its gradient's norm from those of the rows that were."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import jaxpr as jx, wide
from ._program import Block, Op, Ref
from ._run import Probe


class LookUp(NamedTuple):
    """Z = rows of W at whole-number indices: the gradient of a row is the sum of delta = dL/dZ over its uses.

    Attributes:
        block: where it stands.
        z: Z.
        indices: of the rows, (..., 1).
        count: how many rows the table has.
        features: the axes of Z that come from the row.
        clipped: whether an index outside the table means its nearest row; otherwise none, whose gradient is dropped.
    """

    block: Block
    z: Ref
    indices: Ref
    count: int
    features: tuple[int, ...]
    clipped: bool

    def probes(self) -> dict[Ref, Probe]:
        return {self.z: Probe(self.z, lambda x: x, lambda x: x, self.block.avals[self.z], ())}

    def squared_norm(self, measured: dict[Ref, Any]) -> Array:
        delta, at = wide(measured[self.z][1]), measured[self.indices].reshape(-1)
        positions = tuple(i for i in range(delta.ndim) if i not in self.features)
        delta = delta.transpose(positions + self.features).reshape(len(at), -1)
        at = jnp.clip(at, 0, self.count - 1) if self.clipped else at
        delta = jnp.where(((at >= 0) & (at < self.count))[:, None], delta, 0)
        order = jnp.argsort(at)
        change = jnp.diff(at[order], prepend=at[order[:1]]) != 0
        rows = jax.ops.segment_sum(delta[order], jnp.cumsum(change), len(at), indices_are_sorted=True)
        return jnp.sum(rows**2)


def look_up(block: Block, op: Op) -> LookUp | None:
    """The gather as a `LookUp`, if it looks up rows, at fewer places than the table has rows."""
    (table, indices), (z,), params = op.inputs, op.outputs, op.eqn.params
    if isinstance(table, jx.Literal) or isinstance(indices, jx.Literal):
        return None
    numbers, shape, index_shape = params["dimension_numbers"], block.avals[table].shape, block.avals[indices].shape
    by_row = numbers.collapsed_slice_dims == numbers.start_index_map == (0,)
    if not by_row or numbers.operand_batching_dims or not 0 < math.prod(index_shape) < shape[0]:
        return None
    clipped = params["mode"] == lax.GatherScatterMode.CLIP
    return LookUp(block, z, indices, shape[0], tuple(numbers.offset_dims), clipped)
