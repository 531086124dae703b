"""From an Equinox model to a loss."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array

from ..core import Tree
from ._supervised import Loss, LossFn, check_model, need, supervised


def from_equinox(
    model: Callable, loss: Loss, *, batched: bool = True, dropout: Array | None = None, **call: Any
) -> tuple[LossFn, Tree]:
    """An Equinox model as (loss_fn, params).

        loss_fn, params = from_equinox(eqx.nn.MLP(10, 3, 16, 2, key=jax.random.key(0)), squared_error)
        grads = jax.grad(loss_fn)(params, (x, y))
        print(gdfunc.diagnose(loss_fn, params, (x, y)))

    Args:
        model: an `equinox.Module` that can be called, of one example.
        loss: (predictions, y) -> a scalar.
        batched: whether the first axis of x counts examples, over which the model is mapped; False gives it x as it is.
        dropout: a key for what is random in the forward pass, given as `key=`, split over the examples: the same draw at
            every call. None where nothing is.
        **call: given to the model at every call.

    Returns:
        `loss_fn(params, (x, y))` and the parameters: the model with its inexact arrays, and None in place of all else.
        `equinox.combine(params, model)` puts parameters back.

    Raises:
        ValueError: for something else than an Equinox model, or a batch that is no pair.
        MissingExtra: where Equinox is not installed.
    """
    eqx = need("equinox")
    check_model("from_equinox", model, eqx.Module, "an equinox.Module")
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def predict(params: Tree, x: Any) -> Any:
        whole = eqx.combine(params, static)
        one = lambda x, key=None: whole(x, **call) if key is None else whole(x, key=key, **call)  # noqa: E731
        if not batched:
            return one(x, dropout)
        if dropout is None:
            return jax.vmap(one)(x)
        return jax.vmap(one)(x, jax.random.split(dropout, len(jax.tree.leaves(x)[0])))

    return supervised("from_equinox", predict, loss), params
