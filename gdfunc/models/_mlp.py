import itertools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from .. import core, init as initialisers
from ..init import Initialiser
from ._model import Layer, Model, check_sizes
from ._stack import Product, stacked_model


def mlp(
    sizes: Sequence[int],
    activation: str | core.Activation = "relu",
    weights: Initialiser | None = None,
    biases: Initialiser | None = None,
    bias: bool = True,
    dtype: Any = jnp.float32,
) -> Model:
    r"""A multilayer perceptron: layers in which every unit sees all of the layer below.

    $$\begin{aligned}
    z_l &= a_{l-1} W_l + b_l \qquad a_l = \phi(z_l) \qquad a_0 = x \\
    y &= z_D = a_{D-1} W_D + b_D
    \end{aligned}$$

    Neighbouring hidden layers of equal shape are stacked and scanned over, so that 200 layers compile as fast as 3:

        mlp((64, 100, 100, 100, 10)).init(key)
        # {"first":  {"weight": (64, 100),     "bias": (100,)},
        #  "hidden": {"weight": (2, 100, 100), "bias": (2, 100)},
        #  "last":   {"weight": (100, 10),     "bias": (10,)}}

    With unequal sizes every run of equal layers is a stack of its own, `hidden_1`, `hidden_2`, ..., if only of one layer. Two
    sizes make one linear layer, "last". The parameters' leaves are in depth order.

    Args:
        sizes: the widths (inputs, hidden..., outputs); D, the depth, is one less than their number. A deep one:
            `(64, *[100] * 199, 10)`.
        activation: phi, by name or as an elementwise function; none follows the last layer.
        weights: how each W_l of shape (in, out) is drawn, from a key of its own; None: `init.he_normal(activation)`, which
            keeps the pre-activations' mean square through any number of layers.
        biases: how each b_l is drawn; None: zeros.
        bias: whether there are b_l.
        dtype: the parameters'.

    Returns:
        A `Model`; `apply` takes x of shape (..., inputs) and returns (..., outputs).

    Raises:
        ValueError: on sizes that are not two or more positive integers, an unknown activation; from `apply` on an x or on
            parameters of other shapes.
    """
    return _layers("mlp", sizes, activation, weights, biases, bias, dtype)


def deep_linear(
    sizes: Sequence[int], weights: Initialiser | None = None, bias: bool = False, dtype: Any = jnp.float32
) -> Model:
    r"""A deep linear network, whose learning can be solved exactly (Saxe, McClelland & Ganguli 2014, ICLR, <https://arxiv.org/abs/1312.6120>).

    $$y = x W_1 W_2 \cdots W_D$$

    Args:
        sizes: the widths (inputs, hidden..., outputs); D is one less than their number.
        weights: how each W_l of shape (in, out) is drawn; None: `init.orthogonal()`, with which the time to learn does not grow
            with D.
        bias: whether a layer adds b_l, zero at the start.
        dtype: the parameters'.

    Returns:
        A `Model` with the parameters of `mlp`.

    Raises:
        ValueError: as `mlp`.
    """
    return _layers("deep_linear", sizes, "identity", weights or initialisers.orthogonal(), None, bias, dtype)


def _layers(who, sizes, activation, weights, biases, bias, dtype) -> Model:
    sizes = tuple(sizes)
    if len(sizes) < 2:
        raise ValueError(f"{who} needs two or more sizes (inputs, ..., outputs), and was given {sizes}")
    check_sizes(who, **{f"sizes[{i}]": size for i, size in enumerate(sizes)})
    phi = core.activation(activation)
    weights = weights or initialisers.he_normal(activation)
    biases = (biases or initialisers.zeros()) if bias else None
    shapes = list(itertools.pairwise(sizes))
    phis = (*[phi] * (len(shapes) - 1), core.identity)
    layers = tuple(Layer(shape, f, weights, biases) for shape, f in zip(shapes, phis, strict=True))
    products = [Product(shape, jnp.matmul, weights) for shape in shapes]
    return stacked_model(who, ("...", sizes[0]), products, phi, biases, dtype, layers)
