"""What the recurrent models share: all but the step from one state to the next."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from .. import init as initialisers
from ..core import Tree
from ..init import Initialiser
from ..init._common import check_choice
from ._model import Model, check_input, check_own_params, check_sizes

Readout = Literal["last", "all"]


def recurrent_model(
    who: str,
    inputs: int,
    width: int,
    outputs: int,
    step: Callable[[Tree, Array, Array], Array],
    biases: Callable[[], Tree],
    recurrent: Initialiser | None,
    weights: Initialiser | None,
    readout: Readout,
    dtype: Any,
    gates: int = 1,
    parts: int = 1,
) -> Model:
    """A recurrent model from its step.

    Args:
        who: the model, for errors.
        inputs: the size of x_t.
        width: the size of h_t.
        outputs: the size of y_t.
        step: (params["recurrent"], x_t W_in + b, state) -> state.
        biases: what "recurrent" has beside its "weight": a "bias" of (gates * width,), which joins the input's product.
        recurrent: how each gate's (width, width) is drawn.
        weights: how each gate's (inputs, width), and the readout's (width, outputs), are drawn.
        readout: "last" or "all".
        dtype: the parameters'.
        gates: how many matrices of each kind stand side by side.
        parts: how many arrays of `width` the state has; the first is read out.
    """
    check_sizes(who, inputs=inputs, width=width, outputs=outputs)
    check_choice(who, "readout", readout, ("last", "all"))
    recurrent = recurrent or initialisers.orthogonal()
    weights = weights or initialisers.lecun_normal()

    def side_by_side(draw: Initialiser, key: Array, rows: int) -> Array:
        """One matrix a gate, each drawn for the shape that it has alone."""
        keys = [key] if gates == 1 else jax.random.split(key, gates)
        return jnp.concatenate([draw(key, (rows, width), dtype) for key in keys], axis=1)

    def init(key: Array) -> Tree:
        input_key, recurrent_key, readout_key = jax.random.split(key, 3)
        return {
            "input": {"weight": side_by_side(weights, input_key, inputs)},
            "recurrent": {"weight": side_by_side(recurrent, recurrent_key, width), **biases()},
            "readout": {"weight": weights(readout_key, (width, outputs), dtype), "bias": jnp.zeros(outputs, dtype)},
        }

    def trace_states(params: Tree, x: Array, shifts: Array | None = None) -> tuple[Array, Array]:
        x = check_input(who, x, ("batch", "time", inputs))
        check_own_params(who, params, needed)
        # What does not depend on the state is one matrix product for all times.
        drive = jnp.swapaxes(x @ params["input"]["weight"] + params["recurrent"]["bias"], 0, 1)

        def advance(state, drive_and_shift):
            drive, shift = drive_and_shift
            state = step(params["recurrent"], drive, state)
            state = state if shift is None else state + shift
            return state, state

        start = jnp.zeros((len(x), parts * width), drive.dtype)
        last, states = jax.lax.scan(advance, start, (drive, shifts))
        h = (last if readout == "last" else jnp.swapaxes(states, 0, 1))[..., :width]
        return h @ params["readout"]["weight"] + params["readout"]["bias"], states

    needed = jax.eval_shape(init, jax.random.key(0))
    return Model(init, lambda params, x: trace_states(params, x)[0], trace_states=trace_states)
