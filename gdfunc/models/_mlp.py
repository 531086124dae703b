import itertools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from .. import core, init as initialisers
from ..init import Initialiser
from ._layers import Product, layers
from ._model import Layer, Model, check_sizes
from ._norm import Norm


def mlp(
    sizes: Sequence[int],
    activation: str | core.Activation = "relu",
    weights: Initialiser | None = None,
    biases: Initialiser | None = None,
    bias: bool = True,
    dtype: Any = jnp.float32,
    *,
    norm: Norm | None = None,
    dropout: Any = 0.0,
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

    With a norm N, hidden layers have $z_l = \gamma_l N(a_{l-1} W_l) + \beta_l$ and "scale" and "shift" in place of "bias".
    Batch normalisation takes its means and variances from the batch that it is given, or from another one:

        model = mlp((64, 100, 100, 10), norm="batch")
        model.apply(params, x, statistics=model.batch_statistics(params, training_x))

    Args:
        sizes: the widths (inputs, hidden..., outputs); D, the depth, is one less than their number. A deep one:
            `(64, *[100] * 199, 10)`.
        activation: phi, by name or as an elementwise function; none follows the last layer.
        weights: how each W_l of shape (in, out) is drawn, from a key of its own; None: `init.he_normal(activation)`, which
            keeps the pre-activations' mean square through any number of layers.
        biases: how each b_l, and beta_l, is drawn; None: zeros. The gamma_l start at 1.
        bias: whether there are b_l, and beta_l.
        dtype: the parameters'.
        norm: "batch", "layer" or "rms": `batch_norm`, `layer_norm` or `rms_norm` in every hidden layer; None for none.
        dropout: the share in [0, 1) of each hidden layer's activations that `apply(params, x, key=key)` leaves out;
            without a key all stay.

    Returns:
        A `Model`; `apply` takes x of shape (..., inputs) and returns (..., outputs).

    Raises:
        ValueError: on sizes that are not two or more positive integers, an unknown activation or norm, a dropout out of
            range; from `apply` on an x, parameters or statistics of other shapes.
    """
    return of_products("mlp", sizes, activation, weights, biases, bias, dtype, norm=norm, dropout=dropout)


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
    return of_products("deep_linear", sizes, "identity", weights or initialisers.orthogonal(), None, bias, dtype)


def of_products(
    who: str,
    sizes: Sequence[int],
    activation: str | core.Activation,
    weights: Initialiser | None,
    biases: Initialiser | None,
    bias: bool,
    dtype: Any,
    last_weights: Initialiser | None = None,
    **options: Any,
) -> Model:
    """The model that `mlp` describes; `last_weights` are those of the last layer, where they are others."""
    sizes = tuple(sizes)
    if len(sizes) < 2:
        raise ValueError(f"{who} needs two or more sizes (inputs, ..., outputs), and was given {sizes}")
    check_sizes(who, **{f"sizes[{i}]": size for i, size in enumerate(sizes)})
    phi = core.activation(activation)
    weights = weights or initialisers.he_normal(activation)
    biases = (biases or initialisers.zeros()) if bias else None
    drawn = [weights] * (len(sizes) - 2) + [last_weights or weights]
    phis = [phi] * (len(sizes) - 2) + [core.identity]
    each = zip(itertools.pairwise(sizes), phis, drawn, strict=True)
    made = tuple(Layer(shape, f, draw, biases) for shape, f, draw in each)
    products = [Product(layer.shape, jnp.matmul, layer.weights) for layer in made]
    return layers(who, ("...", sizes[0]), products, phi, biases, dtype, made, **options)
