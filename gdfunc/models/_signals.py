from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, safe_norm, wide
from ._model import Model

Loss = Callable[[Array], Array]


class LayerSignals(NamedTuple):
    """Mean squares of a network's signals and gradients, one number a layer, in depth order: each (depth,), at least float32."""

    pre_activation: Array  # of z_l, in units of z**2
    activation: Array  # of a_l; of the output for the last layer
    pre_activation_gradient: Array  # of dL/dz_l: of the whole loss, so a mean over B examples makes it 1/B**2 as large
    weight_gradient: Array  # of dL/dW_l
    weight: Array  # of W_l


class LayerArrays(NamedTuple):
    """A network's signals and gradients in full: each a dict from block ("first", "hidden", "last") to an array.

    Arrays of stacked blocks have a leading axis in depth order.
    """

    pre_activation: Tree  # z_l, (..., batch, width)
    activation: Tree  # a_l, shaped as z_l
    pre_activation_gradient: Tree  # dL/dz_l, shaped as z_l
    weight_gradient: Tree  # dL/dW_l, (..., in, out)
    weight: Tree  # W_l


def layer_arrays(model: Model, params: Tree, x: Array, loss: Loss) -> LayerArrays:
    r"""Every layer's pre-activations, activations and gradients, from one pass forward and one back.

    $$\frac{\partial L}{\partial z_l} = \left.\frac{\partial L}{\partial s_l}\right|_{s = 0}
    \qquad \text{with } z_l = a_{l-1} W_l + b_l + s_l$$

    Args:
        model: one with `trace_layers`, as from `mlp`.
        params: its parameters.
        x: its input, (batch, ..., inputs).
        loss: a function of the model's output that returns a scalar.

    Returns:
        `LayerArrays`.

    Raises:
        ValueError: on a model without layers to show, or a loss that is not a scalar.
    """
    if model.trace_layers is None:
        raise ValueError(
            "layer_signals needs a model with trace_layers, as mlp, conv_net and residual make it, and was given one without"
        )
    (param_gradients, shift_gradients), signals = _gradients(model.trace_layers, params, x, loss, _pre_activations)
    pick = lambda tree, name: {block: tree[block][name] for block in signals}  # noqa: E731
    return LayerArrays(
        pre_activation=_pre_activations(signals),
        activation={block: a for block, (_, a) in signals.items()},
        pre_activation_gradient=shift_gradients,
        weight_gradient=pick(param_gradients, "weight"),
        weight=pick(params, "weight"),
    )


def layer_signals(model: Model, params: Tree, x: Array, loss: Loss) -> LayerSignals:
    r"""How large signals and gradients are in every layer: whether they vanish or explode (Glorot & Bengio 2010, AISTATS).

    $$\overline{z_l^2} \qquad \overline{a_l^2} \qquad \overline{(\partial L / \partial z_l)^2} \qquad
    \overline{(\partial L / \partial W_l)^2} \qquad \overline{W_l^2}$$

    Args:
        model: one with `trace_layers`, as from `mlp`.
        params: its parameters.
        x: its input, (batch, ..., inputs).
        loss: a function of the model's output that returns a scalar.

    Returns:
        `LayerSignals`: one number a layer.

    Raises:
        ValueError: on a model without layers to show, or a loss that is not a scalar.
    """
    arrays = layer_arrays(model, params, x, loss)
    return LayerSignals(*(_mean_squares(blocks) for blocks in arrays))


def state_gradients(model: Model, params: Tree, x: Array, loss: Loss) -> Array:
    r"""How much of a loss's gradient reaches back to each state of a recurrent network (Pascanu, Mikolov & Bengio 2013, ICML).

    $$\left\lVert \frac{\partial L}{\partial h_t} \right\rVert_2 \qquad t = 1, \ldots, T$$

    Args:
        model: from `rnn`, `lstm` (whose state is h_t and c_t) or `gru`.
        params: its parameters.
        x: its input, (batch, time, inputs).
        loss: a function of the model's output that returns a scalar.

    Returns:
        (time,), at least float32: the norm over batch and units of the total derivative, later states included.

    Raises:
        ValueError: on a model without states, or a loss that is not a scalar.
    """
    if model.trace_states is None:
        raise ValueError(
            "state_gradients needs a model made by rnn, lstm or gru, and was given one without trace_states"
        )
    (_, gradients), _ = _gradients(model.trace_states, params, x, loss, lambda states: states)
    return safe_norm(wide(gradients), axis=(1, 2))


def _gradients(trace: Callable, params: Tree, x: Array, loss: Loss, shifted: Callable[[Any], Tree]):
    """The loss's gradients with respect to the parameters and to zeros added to the `shifted` signals, and the signals."""
    shapes = shifted(jax.eval_shape(trace, params, x)[1])
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    def shifted_loss(params, shifts):
        output, signals = trace(params, x, shifts)
        value = loss(output)
        if jnp.shape(value) != ():
            raise ValueError(f"the loss needs to return a scalar, and returned shape {jnp.shape(value)}")
        return value, signals

    return jax.grad(shifted_loss, argnums=(0, 1), has_aux=True)(params, zeros)


def _pre_activations(signals: Tree) -> Tree:
    return {block: z for block, (z, _) in signals.items()}


def _mean_squares(blocks: Tree) -> Array:
    """(depth,): one number a layer, from blocks in depth order."""
    rows = []
    for block, x in blocks.items():
        layers = x if block.startswith("hidden") else x[None]
        rows.append(jnp.mean(jnp.square(wide(layers)), axis=tuple(range(1, layers.ndim))))
    return jnp.concatenate(rows)
