"""From a loss to its sites, and from a loss with probes to its value, gradients and measurements."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..core import Tree, check_params, leaf_paths
from ._program import Block, Ref, read_program
from ._run import Probe, run
from ._sites import Site, Source, find_sites


class Traced(NamedTuple):
    """A loss as a program, its sites, what cannot be seen of it, and the structure of what it returns."""

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
    check_params(params, who)
    _check_call(who, loss_fn, params, batch)
    try:
        closed, out = jax.make_jaxpr(loss_fn, return_shape=True)(params, batch)
    except (TypeError, AttributeError, IndexError, KeyError) as error:
        if jax.tree.leaves(batch):
            raise
        raise ValueError(
            f"{who} was given no batch ({batch!r}), and loss_fn needs one: it raised {type(error).__name__}: {error}"
        ) from error
    if has_aux and not (isinstance(out, tuple) and len(out) == 2):
        raise ValueError(f"{who} with has_aux=True needs loss_fn to return (loss, aux), and it returned {out}")
    loss: Any = out[0] if has_aux else out
    if not hasattr(loss, "shape"):
        hint = "; for (loss, aux) give has_aux=True" if isinstance(loss, tuple) else ""
        raise ValueError(f"{who} needs loss_fn to return a scalar, and it returned a {type(loss).__name__}{hint}")
    if loss.shape != () or not jnp.issubdtype(loss.dtype, jnp.floating):
        raise ValueError(
            f"{who} needs loss_fn to return a real floating-point scalar of shape (), and it returned {loss.dtype} of "
            f"shape {loss.shape}"
        )
    program = read_program(closed)
    sources = [Source(params=frozenset([path])) for path in leaf_paths(params)]
    sources += [Source(data=True)] * len(jax.tree.leaves(batch))
    sites, unseen = find_sites(program, sources)
    return Traced(program, sites, unseen, jax.tree.structure(out))


def _check_call(who: str, loss_fn: Callable, params: Tree, batch: Tree) -> None:
    for path, leaf in zip(leaf_paths(batch), jax.tree.leaves(batch), strict=True):
        try:
            jnp.result_type(leaf)
        except TypeError:
            raise ValueError(
                f"{who} needs arrays in the batch, and was given {type(leaf).__name__} at {path!r}"
            ) from None
    try:
        signature = inspect.signature(loss_fn)
    except ValueError:  # some callables written in C have none
        return
    try:
        signature.bind(params, batch)
    except TypeError as error:
        raise ValueError(f"{who} needs loss_fn(params, batch), and was given {signature}: {error}") from None


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
