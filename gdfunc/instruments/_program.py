"""A traced loss as blocks of operations: calls are inlined, loops and branches keep theirs."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..core import jaxpr as jx

Ref = int  # a value's name, unique in the whole program


@dataclass
class Op:
    """One equation: what it takes (a `Ref`, or a literal), what it gives, the blocks inside."""

    eqn: Any
    inputs: list[Any]
    outputs: list[Ref]
    blocks: list["Block"] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.eqn.primitive.name


@dataclass
class Block:
    """A straight run of operations, with the shape and dtype of every value in it."""

    inputs: list[Ref]
    consts: dict[Ref, Any]
    ops: list[Op]
    outputs: list[Any]
    avals: dict[Ref, Any]
    split: dict[str, int] = field(default_factory=dict)  # the mesh axes of the shard_maps around it, and their sizes
    typed: bool = True  # whether the types say over which of them a value varies

    def shards(self, ref: Ref) -> dict[str, int]:
        """The mesh axes along which each shard has a value of its own, and their sizes."""
        varies = self.avals[ref].manual_axis_type.varying if self.typed else self.split
        return {axis: size for axis, size in self.split.items() if axis in varies}

    def within(self) -> Iterator["Block"]:
        """Itself and the blocks inside."""
        yield self
        for op in self.ops:
            for block in op.blocks:
                yield from block.within()


WEIGHTED = frozenset({"dot_general", "conv_general_dilated", "gather", "ragged_dot"})
# Entered and rebuilt when values inside are to be looked at.
ENTERED = frozenset({"scan", "cond", "remat2", "checkpoint", "remat", "shard_map"})


def read_program(closed: Any) -> Block:
    """The blocks of a closed jaxpr."""
    return _read(closed, itertools.count())


def _read(closed: Any, fresh: Iterator[int]) -> Block:
    jaxpr, values = jx.open_jaxpr(closed)
    env: dict[Any, Any] = {v: next(fresh) for v in (*jaxpr.constvars, *jaxpr.invars)}
    consts = {env[v]: x for v, x in zip(jaxpr.constvars, values, strict=True)}
    block = Block([env[v] for v in jaxpr.invars], consts, [], [], {ref: v.aval for v, ref in env.items()})
    _add(block, jaxpr, env, fresh)
    block.outputs = [_look_up(v, env) for v in jaxpr.outvars]
    return block


def _add(block: Block, jaxpr: Any, env: dict[Any, Any], fresh: Iterator[int]) -> None:
    for eqn in jaxpr.eqns:
        inputs = [_look_up(v, env) for v in eqn.invars]
        if eqn.primitive.name in jx.CALLS and not jx.is_pointwise(eqn):
            inner, values = jx.open_jaxpr(jx.inner_jaxprs(eqn)[0])
            consts = {v: next(fresh) for v in inner.constvars}
            block.consts |= {consts[v]: x for v, x in zip(inner.constvars, values, strict=True)}
            block.avals |= {consts[v]: v.aval for v in inner.constvars}
            local = {**consts, **dict(zip(inner.invars, inputs, strict=True))}
            _add(block, inner, local, fresh)
            env |= {v: _look_up(w, local) for v, w in zip(eqn.outvars, inner.outvars, strict=True)}
            continue
        env |= {v: next(fresh) for v in eqn.outvars}
        block.avals |= {env[v]: v.aval for v in eqn.outvars}
        blocks = [_read(each, fresh) for each in jx.inner_jaxprs(eqn)] if eqn.primitive.name in ENTERED else []
        if eqn.primitive.name == "shard_map":
            for each in itertools.chain.from_iterable(b.within() for b in blocks):
                sizes = eqn.params["mesh"].shape
                each.split |= {axis: sizes[axis] for axis in sorted(eqn.params["newly_manual_axes"])}
                each.typed &= eqn.params["check_vma"]
        block.ops.append(Op(eqn, inputs, [env[v] for v in eqn.outvars], blocks))


def _look_up(v: Any, env: dict[Any, Any]) -> Any:
    return v if isinstance(v, jx.Literal) else env[v]


def contains(eqn: Any, names: frozenset[str]) -> bool:
    """Whether the equation, or one inside it, is of one of these primitives."""
    return eqn.primitive.name in names or any(
        contains(e, names) for each in jx.inner_jaxprs(eqn) for e in jx.open_jaxpr(each)[0].eqns
    )


def needed(program: Block) -> set[Ref]:
    """The values that the program's first output, the loss, depends on; all that goes into a loop that it needs."""
    found = {x for x in program.outputs[:1] if not isinstance(x, jx.Literal)}
    for op in reversed(program.ops):
        if found & set(op.outputs):
            found |= {x for x in op.inputs if not isinstance(x, jx.Literal)}
    return found
