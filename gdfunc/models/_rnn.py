from typing import Any

import jax.numpy as jnp
from jax import Array

from .. import core
from ..core import Tree
from ..init import Initialiser
from ._model import Model
from ._recurrent import Readout, recurrent_model


def rnn(
    inputs: int,
    width: int,
    outputs: int,
    activation: str | core.Activation = "tanh",
    recurrent: Initialiser | None = None,
    weights: Initialiser | None = None,
    readout: Readout = "last",
    dtype: Any = jnp.float32,
) -> Model:
    r"""A plain recurrent network (Elman 1990, Cognitive Science, <https://doi.org/10.1207/s15516709cog1402_1>).

    $$\begin{aligned}
    h_t &= \phi(x_t W_{in} + h_{t-1} W_{rec} + b) \qquad h_0 = 0 \\
    y_t &= h_t W_{out} + c
    \end{aligned}$$

    Its parameters are {"input": {"weight"}, "recurrent": {"weight", "bias"}, "readout": {"weight", "bias"}}; biases start at
    zero.

    Args:
        inputs: the size of x_t.
        width: the size of h_t.
        outputs: the size of y_t.
        activation: phi, by name or as an elementwise function.
        recurrent: how W_rec, (width, width), is drawn; None: `init.orthogonal()`. `init.identity()` with relu is the IRNN of
            Le, Jaitly & Hinton (2015).
        weights: how W_in and W_out are drawn; None: `init.lecun_normal()`.
        readout: "last": y_T only; "all": every y_t.
        dtype: the parameters'.

    Returns:
        A `Model`; `apply` takes x of shape (batch, time, inputs) and returns (batch, outputs) or (batch, time, outputs).

    Raises:
        ValueError: on sizes that are not positive integers, an unknown activation or readout; from `apply` on an x or on
            parameters of other shapes.
    """
    phi = core.activation(activation)

    def step(params: Tree, drive: Array, h: Array) -> Array:
        return phi(drive + h @ params["weight"])

    biases = lambda: {"bias": jnp.zeros(width, dtype)}  # noqa: E731
    return recurrent_model("rnn", inputs, width, outputs, step, biases, recurrent, weights, readout, dtype)
