from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from .. import core, init as initialisers
from ..core import Tree
from ..init import Initialiser
from ._model import Model, check_input, check_own_params, check_sizes


def rnn(
    inputs: int,
    width: int,
    outputs: int,
    activation: str | core.Activation = "tanh",
    recurrent: Initialiser | None = None,
    weights: Initialiser | None = None,
    readout: Literal["last", "all"] = "last",
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
    check_sizes("rnn", inputs=inputs, width=width, outputs=outputs)
    if readout not in ("last", "all"):
        raise ValueError(f"rnn needs readout to be 'last' or 'all', and was given readout={readout!r}")
    phi = core.activation(activation)
    recurrent = recurrent or initialisers.orthogonal()
    weights = weights or initialisers.lecun_normal()

    def init(key: Array) -> Tree:
        input_key, recurrent_key, readout_key = jax.random.split(key, 3)
        return {
            "input": {"weight": weights(input_key, (inputs, width), dtype)},
            "recurrent": {"weight": recurrent(recurrent_key, (width, width), dtype), "bias": jnp.zeros(width, dtype)},
            "readout": {"weight": weights(readout_key, (width, outputs), dtype), "bias": jnp.zeros(outputs, dtype)},
        }

    def trace_states(params: Tree, x: Array, shifts: Array | None = None) -> tuple[Array, Array]:
        x = check_input("rnn", x, ("batch", "time", inputs))
        check_own_params("rnn", params, needed)
        # What does not depend on the state is one matrix product for all times.
        drive = jnp.swapaxes(x @ params["input"]["weight"] + params["recurrent"]["bias"], 0, 1)

        def step(h, drive_and_shift):
            drive, shift = drive_and_shift
            h = phi(drive + h @ params["recurrent"]["weight"])
            h = h if shift is None else h + shift
            return h, h

        last, states = jax.lax.scan(step, jnp.zeros_like(drive[0]), (drive, shifts))
        h = last if readout == "last" else jnp.swapaxes(states, 0, 1)
        return h @ params["readout"]["weight"] + params["readout"]["bias"], states

    needed = jax.eval_shape(init, jax.random.key(0))
    return Model(init, lambda params, x: trace_states(params, x)[0], trace_states=trace_states)
