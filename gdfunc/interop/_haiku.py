"""From a Haiku transformed function to a loss."""

import inspect
from typing import Any

from jax import Array

from ..core import Tree
from ._supervised import Loss, LossFn, check_model, need, supervised


def from_haiku(
    transformed: Any, loss: Loss, rng: Array, example: Any, *, dropout: Array | None = None, **call: Any
) -> tuple[LossFn, Tree]:
    """A function transformed by Haiku as (loss_fn, params).

        loss_fn, params = from_haiku(hk.transform(lambda x: hk.Linear(3)(x)), squared_error, jax.random.key(0), x)
        grads = jax.grad(loss_fn)(params, (x, y))
        print(gdfunc.diagnose(loss_fn, params, (x, y)))

    The loss is pure: a state stays as it was made, and what the function writes to it is dropped.

    Args:
        transformed: what `haiku.transform` or `haiku.transform_with_state` gives, `without_apply_rng` or with it.
        loss: (prediction, y) -> a scalar.
        rng: the key of the first parameters.
        example: an x, whose shape and dtype the parameters are made for.
        dropout: a key for what is random in the forward pass: the same draw at every call. None where nothing is.
        **call: given to the function at every call, `is_training=True` for one.

    Returns:
        `loss_fn(params, (x, y))` and the parameters, a dictionary of dictionaries.

    Raises:
        ValueError: for something else than a transformed function, or a batch that is no pair.
        MissingExtra: where Haiku is not installed.
    """
    hk = need("haiku")
    kinds = (hk.Transformed, hk.TransformedWithState)
    check_model("from_haiku", transformed, kinds, "what haiku.transform or haiku.transform_with_state gives")
    stateful = isinstance(transformed, hk.TransformedWithState)
    made = transformed.init(rng, example, **call)
    params, state = made if stateful else (made, None)
    before = (state,) if stateful else ()
    takes = list(inspect.signature(transformed.apply).parameters)
    if takes[1 + stateful] == "rng":  # `without_apply_rng` takes it away
        before += (dropout,)

    def predict(params: Tree, x: Any) -> Any:
        out = transformed.apply(params, *before, x, **call)
        return out[0] if stateful else out

    return supervised("from_haiku", predict, loss), params
