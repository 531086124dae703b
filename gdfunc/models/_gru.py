from typing import Any, Literal

import jax.numpy as jnp
from jax import Array

from ..core import Tree, sigmoid, tanh
from ..init import Initialiser
from ..init._common import check_choice
from ._model import Model
from ._recurrent import Readout, recurrent_model


def gru(
    inputs: int,
    width: int,
    outputs: int,
    reset: Literal["before", "after"] = "before",
    recurrent: Initialiser | None = None,
    weights: Initialiser | None = None,
    readout: Readout = "last",
    dtype: Any = jnp.float32,
) -> Model:
    r"""A gated recurrent unit (Cho et al. 2014, EMNLP, <https://arxiv.org/abs/1406.1078>, eqs 5 to 8).

    $$\begin{aligned}
    r_t &= \sigma(x_t W_r + h_{t-1} U_r + b_r) \qquad z_t = \sigma(x_t W_z + h_{t-1} U_z + b_z) \qquad h_0 = 0 \\
    \tilde h_t &= \tanh(x_t W_h + (r_t \odot h_{t-1}) U_h + b_h) \\
    h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot \tilde h_t \\
    y_t &= h_t W_{out} + b_{out}
    \end{aligned}$$

    Its parameters are those of `rnn`, with the three parts' columns side by side in the order r, z, h (PyTorch's): "input" has
    (inputs, 3 width), "recurrent" (width, 3 width) and a bias of (3 width,). Biases start at zero.

    Args:
        inputs: the size of x_t.
        width: the size of h_t.
        outputs: the size of y_t.
        reset: "before": the reset gate r acts on the state before the product, as above. "after": on the product,
            $r_t \odot (h_{t-1} U_h + b_u)$, with b_u, (width,), a parameter "candidate_bias" of "recurrent": one product for all
            three, which is what cuDNN, PyTorch and Flax compute.
        recurrent: how U_r, U_z and U_h, each (width, width), are drawn; None: `init.orthogonal()`.
        weights: how W_r, W_z and W_h, each (inputs, width), and W_out are drawn; None: `init.lecun_normal()`.
        readout: "last": y_T only; "all": every y_t.
        dtype: the parameters'.

    Returns:
        A `Model`; `apply` takes x of shape (batch, time, inputs) and returns (batch, outputs) or (batch, time, outputs).

    Raises:
        ValueError: on sizes that are not positive integers, an unknown reset or readout; from `apply` on an x or on
            parameters of other shapes.
    """
    check_choice("gru", "reset", reset, ("before", "after"))

    def before(params: Tree, drive: Array, h: Array) -> Array:
        u = params["weight"]
        r, z = jnp.split(sigmoid(drive[:, :-width] + h @ u[:, :-width]), 2, axis=-1)
        return z * h + (1 - z) * tanh(drive[:, -width:] + (r * h) @ u[:, -width:])

    def after(params: Tree, drive: Array, h: Array) -> Array:
        product = h @ params["weight"]
        r, z = jnp.split(sigmoid(drive[:, :-width] + product[:, :-width]), 2, axis=-1)
        return z * h + (1 - z) * tanh(drive[:, -width:] + r * (product[:, -width:] + params["candidate_bias"]))

    def biases() -> Tree:
        of_input = {"bias": jnp.zeros(3 * width, dtype)}
        return of_input if reset == "before" else {**of_input, "candidate_bias": jnp.zeros(width, dtype)}

    step = before if reset == "before" else after
    return recurrent_model("gru", inputs, width, outputs, step, biases, recurrent, weights, readout, dtype, gates=3)
