import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .. import core, init as initialisers
from ..init import Initialiser
from ._layers import Product, layers
from ._model import Model, check_sizes
from ._norm import Norm


def conv_net(
    inputs: int,
    channels: Sequence[int],
    outputs: int,
    activation: str | core.Activation = "relu",
    strides: Sequence[int] | None = None,
    weights: Initialiser | None = None,
    last: Initialiser | None = None,
    biases: Initialiser | None = None,
    dtype: Any = jnp.float32,
    *,
    norm: Norm | None = None,
) -> Model:
    r"""A plain convolutional network: 3 x 3 kernels, the mean over all places, and a linear layer (after LeCun, Bottou, Bengio & Haffner 1998, Proc. IEEE, <https://doi.org/10.1109/5.726791>).

    $$\begin{aligned}
    z_l(p) &= \sum_{d \in \{-1, 0, 1\}^2} a_{l-1}(s_l\, p + d)\, K_l(d) + b_l \qquad a_l = \phi(z_l) \qquad a_0 = x \\
    y &= \overline{a_{D-1}}\, W_D + b_D
    \end{aligned}$$

    Outside of the image a is 0. Neighbouring hidden layers of equal shape are stacked and scanned over, as `mlp`'s are:

        conv_net(1, (16, 16, 16, 32), 10).init(key)
        # {"first":    {"weight": (3, 3, 1, 16),     "bias": (16,)},
        #  "hidden_1": {"weight": (2, 3, 3, 16, 16), "bias": (2, 16)},
        #  "hidden_2": {"weight": (1, 3, 3, 16, 32), "bias": (1, 32)},
        #  "last":     {"weight": (32, 10),          "bias": (10,)}}

    Args:
        inputs: the channels of x.
        channels: those of each convolution's output; D, the depth, is one more than their number.
        outputs: the size of y.
        activation: phi, by name or as an elementwise function; none follows the last layer.
        strides: s_l, of each convolution; None: 1. Under a stride of 2, images of an even size are padded at their ends
            only, as in Flax and Keras: places are then 2 p + 1 + d, where PyTorch's padding of 1 has 2 p + d.
        weights: how each K_l of shape (3, 3, in, out) is drawn; None: `init.he_normal(activation)`. With
            `init.delta_orthogonal(gain)` channels may not become fewer.
        last: how W_D is drawn; None: `init.lecun_normal()`.
        biases: how each b_l is drawn; None: zeros.
        dtype: the parameters'.
        norm: "batch", "layer" or "rms", of each convolution's output, as in `mlp`; None for none.

    Returns:
        A `Model`; `apply` takes x of shape (batch, height, width, inputs), of any height and width, and returns
        (batch, outputs).

    Raises:
        ValueError: on sizes and strides that are not positive integers, no channels, another number of strides, an unknown
            activation or norm; from `apply` on an x or on parameters of other shapes.
    """
    channels = tuple(channels)
    strides = (1,) * len(channels) if strides is None else tuple(strides)
    if not channels or len(strides) != len(channels):
        raise ValueError(
            f"conv_net needs one or more channels, and as many strides, and was given channels={channels} and "
            f"strides={strides}"
        )
    each = {f"channels[{i}]": size for i, size in enumerate(channels)}
    check_sizes("conv_net", inputs=inputs, **each, outputs=outputs)
    check_sizes("conv_net", **{f"strides[{i}]": stride for i, stride in enumerate(strides)})
    phi = core.activation(activation)
    weights, biases = weights or initialisers.he_normal(activation), biases or initialisers.zeros()
    products = []
    for between, stride in zip(itertools.pairwise((inputs, *channels)), strides, strict=True):
        # A partial is equal to none but itself: what shrinks the image cannot be scanned over.
        product = _convolve if stride == 1 else partial(_convolve, stride=stride)
        products.append(Product((3, 3, *between), product, weights))
    products.append(Product((channels[-1], outputs), _mean_then_linear, last or initialisers.lecun_normal()))
    return layers("conv_net", ("batch", "height", "width", inputs), products, phi, biases, dtype, norm=norm)


def _convolve(a: Array, kernel: Array, stride: int = 1) -> Array:
    a, kernel = (x.astype(jnp.result_type(a, kernel)) for x in (a, kernel))
    return jax.lax.conv_general_dilated(a, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _mean_then_linear(a: Array, weight: Array) -> Array:
    return jnp.mean(a, axis=(1, 2)) @ weight
