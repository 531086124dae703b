"""A loss as a program, once it is found to be one: a function of (params, batch) that returns a scalar."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ._trees import Tree, check_params, leaf_paths

_NOT_TRACEABLE = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)


def trace_loss(
    who: str, loss_fn: Callable[..., Any], params: Tree, batch: Tree, has_aux: bool = False
) -> tuple[Any, Any]:
    """(the loss as a closed jaxpr, of whose outputs it is the first; the structure of what it returns).

    Args:
        who: the caller, for errors.
        loss_fn: (params, batch) -> loss, or (loss, aux).
        params: a pytree of real floating-point arrays.
        batch: a pytree of arrays.
        has_aux: which of the two.

    Raises:
        ValueError: where the parameters are none, the batch is missing or has more than arrays in it, or the loss does
            not take both, is no scalar, or asks for numbers that a traced array does not have.
    """
    check_params(params, who)
    _check_call(who, loss_fn, params, batch)
    try:
        closed, out = jax.make_jaxpr(loss_fn, return_shape=True)(params, batch)
    except _NOT_TRACEABLE as error:
        first = str(error).splitlines()[0]
        raise ValueError(
            f"{who} needs loss_fn to be made of JAX operations, so that it can be traced: {first}"
        ) from error
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
    return closed, jax.tree.structure(out)


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
