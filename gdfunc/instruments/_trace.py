"""From a loss to its sites, and from a loss with probes to its value, gradients and measurements."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from ..core import Tree, leaf_paths, trace_loss
from ._program import Block, Ref, read_program
from ._run import Probe, run
from ._site import Site, Source
from ._sites import find_sites


class Traced(NamedTuple):
    """A loss as a jaxpr and a program, its sites, what cannot be seen of it, and the structure of what it returns."""

    closed: Any
    program: Block
    sites: list[Site]
    unseen: list[str]
    out: Any


def trace(who: str, loss_fn: Callable, params: Tree, batch: Tree, has_aux: bool = False) -> Traced:
    """The loss's program and sites.

    Raises:
        ValueError: where the parameters are none, the batch is missing or has more than arrays in it, or the loss does
            not take both or is no scalar.
    """
    closed, out = trace_loss(who, loss_fn, params, batch, has_aux)
    program = read_program(closed)
    sources = [Source(params=frozenset([path])) for path in leaf_paths(params)]
    sources += [Source(data=True)] * len(jax.tree.leaves(batch))
    sites, unseen = find_sites(program, sources)
    return Traced(closed, program, sites, unseen, out)


def probed_value_and_grad(
    traced: Traced, probes: dict[Ref, Probe], params: Tree, batch: Tree, has_aux: bool = False
) -> tuple[tuple[Any, Any], Tree, dict[Ref, Any]]:
    """((loss, aux), gradients, what each probe measured: (of its value, of the loss's gradient by it))."""

    def loss(params: Tree, dummies: dict) -> tuple[Any, Any]:
        values = run(traced.program, [*jax.tree.leaves(params), *jax.tree.leaves(batch)], probes, dummies)
        out = jax.tree.unflatten(traced.out, values)
        return out if has_aux else (out, ())

    dummies = {ref: probe.blank() for ref, probe in probes.items()}
    out, (grads, measured) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, dummies)
    return out, grads, measured
