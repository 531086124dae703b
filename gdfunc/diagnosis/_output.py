"""The network's output in the traced loss: what the last layer gives, what the loss makes of it, and the loss from there on."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..core import Tree, jaxpr as jx
from ..instruments import Traced

Ref = int  # a value's name in the program


def last_output(traced: Traced) -> Ref | None:
    """What the last layer gives, bias included; None where it lies in a loop, or where there are several last layers."""
    program, sites = traced.program, [site for site in traced.sites if site.weights]
    inside = {id(site.block) for site in sites if site.block is not program}
    layered = [op for op in program.ops if any(id(b) in inside for each in op.blocks for b in each.within())]
    layered += [site.op for site in sites if site.block is program]
    taken = set().union(*(refs(op.inputs) for op in layered))
    ends = [op for op in layered if not dependents(program, op.outputs) & taken]
    found = [site.output for site in sites if site.op is ends[0]] if len(ends) == 1 else []  # none where that is a loop
    aval = program.avals[found[0]] if found else None
    return found[0] if aval is not None and jnp.issubdtype(aval.dtype, jnp.floating) else None


def refs(values: Sequence[Any]) -> set[Ref]:
    """Those that are no literals."""
    return {x for x in values if not isinstance(x, jx.Literal)}


def dependents(program: Any, sources: Sequence[Ref], without: Ref | None = None) -> set[Ref]:
    """The values made of any of these, and these; not by way of `without`."""
    found = set(sources)
    for op in program.ops:
        if found & refs(op.inputs):
            found |= set(op.outputs) - {without}
    return found


def evaluate(traced: Traced, params: Tree, batch: Tree) -> dict[Ref, Any]:
    """Every value of the program."""
    program = traced.program
    given = zip(program.inputs, [*jax.tree.leaves(params), *jax.tree.leaves(batch)], strict=True)
    return _run(program, {**program.consts, **dict(given)}, None)


def tail(traced: Traced, ref: Ref, values: dict[Ref, Any]) -> Callable[[Any], Any]:
    """The loss as a function of one value, all that is not made of it held."""

    def loss(x: Any) -> Any:
        program = traced.program
        return _run(program, {**values, ref: x}, dependents(program, [ref]) - {ref})[program.outputs[0]]

    return loss


def _run(program: Any, env: dict[Ref, Any], anew: set[Ref] | None) -> dict[Ref, Any]:
    for op in program.ops:
        if anew is None or anew & set(op.outputs):
            inputs = [x.val if isinstance(x, jx.Literal) else env[x] for x in op.inputs]
            out = zip(op.outputs, jx.bind(op.eqn, inputs), strict=True)
            env |= {ref: value for ref, value in out if anew is None or ref in anew}
    return env


def last_layer(traced: Traced) -> str:
    """The name of the layer that gives the output."""
    output = last_output(traced)
    return next(site.name for site in traced.sites if site.weights and site.output == output)
