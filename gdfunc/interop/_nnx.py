"""From a Flax NNX model to a loss."""

from typing import Any

from ..core import Tree
from ._supervised import Loss, LossFn, check_model, need, supervised


def from_nnx(model: Any, loss: Loss, **call: Any) -> tuple[LossFn, Tree]:
    """A Flax NNX model as (loss_fn, params).

        loss_fn, params = from_nnx(nnx.Linear(10, 3, rngs=nnx.Rngs(0)), squared_error)
        grads = jax.grad(loss_fn)(params, (x, y))
        print(gdfunc.diagnose(loss_fn, params, (x, y)))

    The loss is pure: it calls a copy, so that statistics and the counters of random numbers stay as they are in `model`
    now, and dropout draws the same at every call. `nnx.update(model, params)` puts parameters back.

    Args:
        model: an `nnx.Module`, in the mode (`model.train()`, `model.eval()`) in which it is to be looked at.
        loss: (prediction, y) -> a scalar.
        **call: given to the model at every call.

    Returns:
        `loss_fn(params, (x, y))` and the parameters, an `nnx.State` of every `nnx.Param`.

    Raises:
        ValueError: for something else than an NNX model, or a batch that is no pair.
        MissingExtra: where Flax is not installed.
    """
    nnx = need("flax.nnx")
    check_model("from_nnx", model, nnx.Module, "a flax.nnx.Module")
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def predict(params: Tree, x: Any) -> Any:
        return nnx.merge(graph, params, rest, copy=True)(x, **call)

    return supervised("from_nnx", predict, loss), params
