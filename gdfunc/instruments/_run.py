"""Runs a program again with probes in it: what a probe measures leaves as the gradient of a dummy argument.

A probe returns its value as it is. Its rule for the backward pass hands the cotangent on untouched, and gives the dummy,
as *its* cotangent, whatever was measured of both: so `jax.grad` with respect to the dummies is the measurement, through
loops, branches and recomputation, without a callback and without the model's knowing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, jaxpr as jx
from ._program import Block, Op, Ref


@dataclass(frozen=True, eq=False)
class Probe:
    """Looks at one value.

    Attributes:
        ref: which.
        forward: value -> what is measured of it, a pytree of arrays.
        backward: the loss's gradient with respect to it -> what is measured of that.
        aval: the value's shape and dtype.
        lengths: of the scans around it, from the outermost.
        shards: mesh axes, with their sizes, whose shards are kept apart, on an axis after the scans'; without it, what is
            measured in each shard is summed.
    """

    ref: Ref
    forward: Callable[[Array], Tree]
    backward: Callable[[Array], Tree]
    aval: Any
    lengths: tuple[int, ...]
    shards: dict[str, int] = field(default_factory=dict)

    def blank(self) -> tuple[Tree, Tree]:
        """The dummy: zeros shaped as (what is measured of the value, of its gradient)."""
        value = jax.ShapeDtypeStruct(self.aval.shape, self.aval.dtype)
        shapes = jax.eval_shape(self.forward, value), jax.eval_shape(self.backward, value)
        apart = (math.prod(self.shards.values()),) if self.shards else ()
        return jax.tree.map(lambda s: jnp.zeros((*self.lengths, *apart, *s.shape), s.dtype), shapes)

    def place(self, measured: Tree) -> Tree:
        """What a shard measured, in its place among the others, which are 0: the sum is all of them side by side."""
        if not self.shards:
            return measured
        mine = jnp.arange(math.prod(self.shards.values())) == lax.axis_index(tuple(self.shards))
        return jax.tree.map(lambda x: jnp.where(mine.reshape(-1, *[1] * x.ndim), x[None], 0), measured)


def run(block: Block, args: list, probes: dict[Ref, Probe], dummies: dict[Ref, Any]) -> list:
    """What the block gives for these arguments.

    Args:
        block: the operations.
        args: the values of `block.inputs`.
        probes: where to look, by the value's name.
        dummies: of the probes in this block and those inside, what `blank` gives, one row of it for each turn of a scan.
    """
    env: dict[Ref, Any] = dict(block.consts)

    def put(refs: list[Ref], values: list) -> None:
        for ref, value in zip(refs, values, strict=True):
            env[ref] = _look(probes[ref], value, dummies[ref]) if ref in probes else value

    look = lambda x: x.val if isinstance(x, jx.Literal) else env[x]  # noqa: E731
    put(block.inputs, args)
    for op in block.ops:
        put(op.outputs, _give(op, [look(x) for x in op.inputs], probes, dummies))
    return [look(x) for x in block.outputs]


def _give(op: Op, values: list, probes: dict[Ref, Probe], dummies: dict[Ref, Any]) -> list:
    mine = {ref: dummies[ref] for block in op.blocks for ref in _probed(block, probes)}
    if not mine:
        return jx.bind(op.eqn, values)
    params = op.eqn.params
    bodies = [lambda d, *xs, block=block: run(block, list(xs), probes, d) for block in op.blocks]
    if op.name == "scan":
        return _scan(op.eqn, bodies[0], mine, values)
    if op.name == "cond":
        return lax.switch(values[0], bodies, mine, *values[1:])
    if op.name == "shard_map":
        P = jax.sharding.PartitionSpec
        specs = (jax.tree.map(lambda _: P(), mine), *params["in_specs"])
        return jax.shard_map(
            bodies[0],
            mesh=params["mesh"],
            in_specs=specs,
            out_specs=list(params["out_specs"]),
            check_vma=params["check_vma"],
            axis_names=params["newly_manual_axes"],
        )(mine, *values)
    again = jax.checkpoint(bodies[0], prevent_cse=params["prevent_cse"], policy=params["policy"])
    return again(mine, *values)


def _scan(eqn: Any, body: Callable, dummies: dict[Ref, Any], values: list) -> list:
    n, m = jx.scan_counts(eqn)
    m += n

    def turn(carry: list, rows: tuple) -> tuple[list, list]:
        d, xs = rows
        out = body(d, *values[:n], *carry, *xs)
        return out[: m - n], out[m - n :]

    carry, ys = lax.scan(
        turn,
        values[n:m],
        (dummies, values[m:]),
        length=eqn.params["length"],
        reverse=eqn.params["reverse"],
        unroll=eqn.params["unroll"],
    )
    return [*carry, *ys]


def _probed(block: Block, probes: dict[Ref, Probe]) -> list[Ref]:
    return [ref for each in block.within() for ref in each.avals if ref in probes]


def _look(probe: Probe, value: Any, dummy: Any) -> Any:
    dummy = jax.tree.map(lambda d: jx.varying_like(d, value), dummy)
    return _measure(probe, value, dummy)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _measure(probe: Probe, value: Array, dummy: Any) -> Array:
    return value


def _forward(probe: Probe, value: Array, dummy: Any) -> tuple[Array, Tree]:
    return value, _gathered(probe.place(probe.forward(value)))


def _backward(probe: Probe, measured: Tree, cotangent: Array) -> tuple[Array, Any]:
    return cotangent, (measured, _gathered(probe.place(probe.backward(cotangent))))


def _gathered(measured: Tree) -> Tree:
    """Typed as on no explicit mesh axis, as the dummy is."""
    split = lambda x: any(jax.typeof(x).sharding.spec)  # noqa: E731
    return jax.tree.map(lambda x: jax.sharding.reshard(x, jax.P()) if split(x) else x, measured)


_measure.defvjp(_forward, _backward)
