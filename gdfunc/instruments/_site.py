"""A weighted operation of a loss, and where the values around it come from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NamedTuple

from ._activation import Activation
from ._program import Block, Op, Ref


class Source(NamedTuple):
    """Where a value comes from."""

    params: frozenset[str] = frozenset()  # paths of the parameters in it, until they meet data
    data: bool = False  # the batch is in it, or what a site made
    array: bool = False  # an array that the loss closes over is in it
    sliced: frozenset[int] = frozenset()  # the scans that walk along these parameters' first axis
    owners: frozenset[int] = frozenset()  # the sites that it went through last
    whole: bool = False  # not summed up since then

    @property
    def only_params(self) -> bool:
        return bool(self.params) and not self.data


class Level(NamedTuple):
    """A scan around a site: how long, and whether each turn has weights of its own (else it is time)."""

    length: int
    layers: bool


@dataclass
class Site:
    """A weighted operation: `input` is what its weights multiply, `output` what comes out, bias included."""

    name: str
    kind: str  # the primitive's name
    weights: tuple[str, ...]
    block: Block
    op: Op
    operand: int  # which input of the operation is the data
    input: Ref
    chain: tuple[Ref, ...]  # from the product to the end of the layer
    levels: tuple[Level, ...]
    first: bool  # whether the data come to it without having gone through another site
    bias: tuple[str, ...] = ()
    activations: list[Activation] = field(default_factory=list)

    @property
    def output(self) -> Ref:
        return self.chain[-1]

    @property
    def unit_axis(self) -> int:
        """The axis of the output, counted from its end, along which its units (features, channels) lie."""
        axis, eqn = len(self.op.eqn.outvars[0].aval.shape) - 1, self.op.eqn
        if self.kind == "conv_general_dilated":
            axis = eqn.params["dimension_numbers"].out_spec[1]
        if self.kind == "dot_general" and self.operand == 1:  # (batch axes, the weights' own, the data's own)
            contracted, _ = (each[0] for each in eqn.params["dimension_numbers"])
            axis = max(0, len(eqn.invars[0].aval.shape) - len(contracted) - 1)
        makers = {out: op for op in self.block.ops for out in op.outputs}
        for ref in self.chain[1:]:
            axis = _moved(axis, makers[ref].eqn)
        return axis - len(self.block.avals[self.output].shape)

    @property
    def weight_unit_axis(self) -> int:
        """The axis of the weights along which their units lie."""
        if self.kind == "conv_general_dilated":
            return self.op.eqn.params["dimension_numbers"].rhs_spec[0]
        if self.kind == "dot_general":
            contracted, batched = self.op.eqn.params["dimension_numbers"]
            taken = {*contracted[1 - self.operand], *batched[1 - self.operand]}
            free = [i for i in range(len(self.op.eqn.invars[1 - self.operand].aval.shape)) if i not in taken]
            return free[-1] if free else -1
        return -1


def join(sources: Iterable[Source]) -> Source:
    """Where a value made of these comes from."""
    either = lambda a, b: a | b  # noqa: E731
    return reduce(lambda a, b: Source(*map(either, a, b)), sources, Source())


def _moved(axis: int, eqn: Any) -> int:
    """Where an axis of an operation's input lies in its output."""
    if eqn.primitive.name == "transpose":
        return eqn.params["permutation"].index(axis)
    if eqn.primitive.name == "broadcast_in_dim":
        return eqn.params["broadcast_dimensions"][axis]
    before, after = (v.aval.shape for v in (eqn.invars[0], eqn.outvars[0]))
    if eqn.primitive.name in ("reshape", "squeeze"):
        alike = (
            i for i, n in enumerate(after) if math.prod(after[i:]) == math.prod(before[axis:]) and n == before[axis]
        )
        return next(alike, len(after) - 1)
    return axis
