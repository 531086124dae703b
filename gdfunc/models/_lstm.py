from typing import Any

import jax.numpy as jnp
from jax import Array

from ..core import Tree, sigmoid, tanh
from ..init import Initialiser
from ..init._common import check_number
from ._model import Model
from ._recurrent import Readout, recurrent_model


def lstm(
    inputs: int,
    width: int,
    outputs: int,
    forget_bias: float = 1.0,
    recurrent: Initialiser | None = None,
    weights: Initialiser | None = None,
    readout: Readout = "last",
    dtype: Any = jnp.float32,
) -> Model:
    r"""A long short-term memory: a cell whose gradient does not have to vanish (Hochreiter & Schmidhuber 1997, Neural Computation, <https://doi.org/10.1162/neco.1997.9.8.1735>).

    $$\begin{aligned}
    (i_t, f_t, g_t, o_t) &= x_t W_{in} + h_{t-1} W_{rec} + b \qquad h_0 = c_0 = 0 \\
    c_t &= \sigma(f_t) \odot c_{t-1} + \sigma(i_t) \odot \tanh(g_t) \\
    h_t &= \sigma(o_t) \odot \tanh(c_t) \\
    y_t &= h_t W_{out} + b_{out}
    \end{aligned}$$

    The forget gate f is that of Gers, Schmidhuber & Cummins (2000, Neural Computation,
    <https://doi.org/10.1162/089976600300015015>); without it c_t could only add up. Back through time the cell's gradient is
    multiplied by sigma(f_t): with a forget bias of 1 it starts near 0.73, with 0 at 1/2, so that it is gone after some ten
    steps (Jozefowicz, Zaremba & Sutskever 2015, ICML, <https://proceedings.mlr.press/v37/jozefowicz15.html>).

    Its parameters are those of `rnn`, with the four gates' columns side by side in the order i, f, g, o (PyTorch's and
    Keras'): "input" has (inputs, 4 width), "recurrent" (width, 4 width) and a bias of (4 width,).

    Args:
        inputs: the size of x_t.
        width: the size of h_t and of c_t.
        outputs: the size of y_t.
        forget_bias: what f's part of b, a parameter as any other, starts from; the others' parts start at 0.
        recurrent: how each gate's part of W_rec, (width, width), is drawn; None: `init.orthogonal()`.
        weights: how each gate's part of W_in, (inputs, width), and W_out are drawn; None: `init.lecun_normal()`.
        readout: "last": y_T only; "all": every y_t.
        dtype: the parameters'.

    Returns:
        A `Model`; `apply` takes x of shape (batch, time, inputs) and returns (batch, outputs) or (batch, time, outputs). The
        states of `trace_states` are h_t and c_t side by side, (time, batch, 2 width).

    Raises:
        ValueError: on sizes that are not positive integers, a forget_bias that is no finite number, an unknown readout; from
            `apply` on an x or on parameters of other shapes.
    """
    check_number("lstm", "forget_bias", forget_bias)

    def step(params: Tree, drive: Array, state: Array) -> Array:
        h, c = jnp.split(state, 2, axis=-1)
        i, f, g, o = jnp.split(drive + h @ params["weight"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return jnp.concatenate([h, c], axis=-1)

    def biases() -> Tree:
        return {"bias": jnp.zeros((4, width), dtype).at[1].set(forget_bias).reshape(-1)}

    return recurrent_model(
        "lstm", inputs, width, outputs, step, biases, recurrent, weights, readout, dtype, gates=4, parts=2
    )
