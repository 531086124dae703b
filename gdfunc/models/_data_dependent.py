"""Initialisations that look at data: they need a model, not a shape alone, and so are here and not in `gdfunc.init`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, wide
from ..init._common import check_number
from ._layers import plus
from ._model import Fit, Model, check_sizes
from ._normalisation import moments


def lsuv(model: Model, params: Tree, x: Array, tolerance: Any = 0.1, iterations: int = 10) -> Tree:
    r"""Layer-sequential unit variance: each layer's weights over its output's deviation on a batch (Mishkin & Matas 2016, ICLR, <https://arxiv.org/abs/1511.06422>, algorithm 1).

    $$W_l \leftarrow W_l / \sqrt{\mathrm{Var}\, z_l} \quad \text{until} \quad |\mathrm{Var}\, z_l - 1| < \tau
    \qquad z_l = a_{l-1} W_l + b_l \qquad l = 1, \ldots, D$$

    The paper starts from orthonormal weights:

        model = mlp(sizes, "tanh", init.orthogonal())
        params = lsuv(model, model.init(key), x)

    Without biases one division does, as z_l is linear in W_l. For a network of any other make `diagnosis.diagnose` tries
    the like among its remedies.

    Args:
        model: from `mlp` or `conv_net` without a norm, `deep_linear`, `mup` or `residual`: there z_l is what a weight layer of a branch
            puts out.
        params: its parameters.
        x: a batch of inputs, (..., inputs).
        tolerance: tau > 0, without unit; 0.1 is the paper's.
        iterations: the most divisions a layer.

    Returns:
        The parameters with other weights. A layer whose output does not vary at all is left as it is.

    Raises:
        ValueError: on a model of another make, arguments out of range, and on an x or parameters of other shapes.
    """
    check_number("lsuv", "tolerance", tolerance, low=0)
    check_sizes("lsuv", iterations=iterations)

    def fit(layer: Tree, multiply: Callable[[Array], Array]) -> Tree:
        variance = lambda w: jnp.var(wide(plus(multiply(w), layer.get("bias"))))  # noqa: E731

        def is_off(at):
            _, v, i = at
            return (jnp.abs(v - 1) >= tolerance) & (v > 0) & (i < iterations)

        def divided(at):
            w, v, i = at
            w = (w / jnp.sqrt(v)).astype(w.dtype)
            return w, variance(w), i + 1

        start = (layer["weight"], variance(layer["weight"]), 0)
        return {**layer, "weight": jax.lax.while_loop(is_off, divided, start)[0]}

    return _refitted("lsuv", model, params, x, fit)


def data_dependent(model: Model, params: Tree, x: Array) -> Tree:
    r"""Every unit's pre-activation at mean 0 and variance 1 on a batch (Salimans & Kingma 2016, NeurIPS, <https://arxiv.org/abs/1602.07868>, eq 5 and 6; Krähenbühl, Doersch, Donahue & Darrell 2016, ICLR, <https://arxiv.org/abs/1511.06856>, section 3.1).

    $$w_j \leftarrow w_j / \sigma_j \qquad b_j \leftarrow -\mu_j / \sigma_j \qquad
    \mu_j, \sigma_j^2 \text{ of } a_{l-1} w_j \text{ over the batch} \qquad l = 1, \ldots, D$$

    What batch normalisation would do there, once and for all, before training.

    Args:
        model: from `mlp` or `conv_net` without a norm, `deep_linear`, `mup` or `residual`, with biases in every layer.
        params: its parameters; w_j is column j of a weight.
        x: a batch of inputs, (batch, ..., inputs), of more examples than two or so.

    Returns:
        The parameters with other weights and biases. A unit that does not vary over the batch keeps its weights, with the
        bias that takes it to 0.

    Raises:
        ValueError: on a model of another make or without biases, on a single example, and on an x or parameters of other
            shapes.
    """
    if jnp.ndim(x) < 2:
        raise ValueError(f"data_dependent needs x of shape (batch, ..., inputs), and was given {jnp.shape(x)}")

    def fit(layer: Tree, multiply: Callable[[Array], Array]) -> Tree:
        if "bias" not in layer:
            raise ValueError(
                "data_dependent needs a model with biases, which it sets, and was given a layer without one"
            )
        w, b = layer["weight"], layer["bias"]
        mean, variance = moments(multiply(w))
        sigma = jnp.sqrt(variance)
        # What rounding makes of a constant is not to be blown up.
        sigma = jnp.where(sigma > 8 * jnp.finfo(w.dtype).eps * jnp.abs(mean), sigma, 1)
        return {"weight": (w / sigma).astype(w.dtype), "bias": (-mean / sigma).astype(b.dtype)}

    return _refitted("data_dependent", model, params, x, fit)


def _refitted(who: str, model: Model, params: Tree, x: Array, fit: Fit) -> Tree:
    if model.refit is None:
        raise ValueError(
            f"{who} needs a model whose layers can be fitted one after the other, made by mlp or conv_net (without a norm), "
            "deep_linear, mup or residual, and was given one of another make"
        )
    return model.refit(params, x, fit)
