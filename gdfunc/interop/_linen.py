"""From a Flax Linen module to a loss."""

from typing import Any

from jax import Array

from ..core import Tree
from ._supervised import Loss, LossFn, check_model, need, supervised


def from_linen(
    module: Any, loss: Loss, rng: Array, example: Any, *, dropout: Array | None = None, **call: Any
) -> tuple[LossFn, Tree]:
    """A Flax Linen module as (loss_fn, params).

        loss_fn, params = from_linen(nn.Dense(3), squared_error, jax.random.key(0), x)
        grads = jax.grad(loss_fn)(params, (x, y))
        print(gdfunc.diagnose(loss_fn, params, (x, y)))

    The loss is pure: collections other than the parameters (`batch_stats`) stay as they were made, and what the module
    writes to them is dropped. Batch normalisation that uses the batch's own statistics is not touched by this.

    Args:
        module: a `flax.linen.Module`.
        loss: (prediction, y) -> a scalar.
        rng: the key of the first parameters.
        example: an x, whose shape and dtype the parameters are made for.
        dropout: a key for what is random in the forward pass: the same draw at every call. None where nothing is.
        **call: given to the module at every call, `train=True` for one.

    Returns:
        `loss_fn(params, (x, y))` and the parameters, a dictionary.

    Raises:
        ValueError: for something else than a Linen module, or a batch that is no pair.
        MissingExtra: where Flax is not installed.
    """
    check_model("from_linen", module, need("flax.linen").Module, "a flax.linen.Module")
    rngs = {} if dropout is None else {"dropout": dropout}
    variables = dict(module.init({"params": rng, **rngs}, example, **call))
    params, rest = variables.pop("params", {}), variables

    def predict(params: Tree, x: Any) -> Any:
        prediction, _ = module.apply({"params": params, **rest}, x, rngs=rngs, mutable=list(rest), **call)
        return prediction

    return supervised("from_linen", predict, loss), params
