"""Which layers the instruments of a run read, and the beginning of its folder."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree
from ..instruments import GLOBAL_NORM, INSTRUMENTS, Instrument, RunFolder, check_found, layer_names, trace
from ._gradients import checked_loss
from ._program import Program


def start_recording(
    program: Program, folder: RunFolder | None, params: Tree, data: Tree, key: Array, steps: int, rule: Any
) -> list[str]:
    """The names of the layers that the instruments will read; begins the folder where there is one."""
    start = program.batches.start(0)
    batch = jax.eval_shape(lambda: program.batches.draw(data, key, start, jnp.zeros((), jnp.int32))[0])
    traced = trace("train", partial(checked_loss, program), params, batch, has_aux=True)
    check_found("train", traced)
    if folder is not None:
        norm = Instrument("Gradient norm, all layers", "loss / weight", "log", "run", "The norm over all parameters.")
        about = {**{name: INSTRUMENTS[name] for name in program.instruments}, GLOBAL_NORM: norm}
        folder.start(traced, about, program.every, rule=repr(rule), steps=steps)
    return layer_names(traced)
