"""Runs transformations on a stream of gradients, side by side, as one program."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import call_update
from ._modes import Mode
from ._stream import Stream, extras

Updates = Mapping[str, np.ndarray]  # leaf path -> (steps, ...)


def run(thing: Any, data: Stream, at: Mode, jit: bool = True) -> Updates:
    """The updates of one transformation on a stream, in the stream's mode."""
    return run_all({"it": thing}, data, at, jit)["it"]


def run_all(things: Mapping[str, Any], data: Stream, at: Mode, jit: bool = True) -> dict[str, Updates]:
    """Runs several transformations side by side on one stream, as one program where `jit`."""
    with at():
        inputs = rows(data, at)
        if jit:
            out = jax.jit(lambda inputs: scan(things, inputs)[1])(inputs)
            return jax.tree.map(np.asarray, out)
        updates = {}
        for name, thing in things.items():
            # A loop or branch outside jit is compiled anew at every update: those run step by step too.
            with jax.disable_jit() if _loops(thing, inputs) else nullcontext():
                updates[name] = _one_by_one(thing, inputs)
        return updates


def _one_by_one(thing: Any, inputs: tuple) -> Updates:
    states, updates = start({"it": thing}, inputs), []
    for t in range(len(inputs[0])):
        states, row = step({"it": thing}, states, jax.tree.map(lambda x, t=t: x[t], inputs))
        updates.append(row["it"])
    return jax.tree.map(lambda *xs: np.stack([np.asarray(x) for x in xs]), *updates)


def _loops(thing: Any, inputs: tuple) -> bool:
    """Whether an update holds a loop or a branch."""
    first = jax.tree.map(lambda x: x[0], inputs)
    program = str(jax.make_jaxpr(lambda row: step({"it": thing}, start({"it": thing}, inputs), row))(first))
    return any(f" {primitive}[" in program for primitive in ("cond", "while", "scan"))


def rows(data: Stream, at: Mode) -> tuple:
    """The stream as arrays (steps, ...) in the mode's dtype: values, gradients, parameters, curvatures, keys."""
    numbers = (data.values, dict(data.gradients), dict(data.params), dict(data.curvatures))
    return (*jax.tree.map(lambda x: jnp.asarray(x, at.dtype), numbers), data.keys())


def start(things: Mapping[str, Any], inputs: tuple) -> dict[str, Any]:
    """Everyone's first state."""
    p = jax.tree.map(lambda x: x[0], inputs[2])
    return {name: thing.init(p) for name, thing in things.items()}


def step(things: Mapping[str, Any], states: dict[str, Any], row: tuple) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everyone's next state and update."""
    _, g, p, *_ = row
    beyond = extras(*row)
    results = {name: call_update(thing, g, states[name], p, beyond) for name, thing in things.items()}
    return {name: state for name, (_, state) in results.items()}, {name: u for name, (u, _) in results.items()}


def scan(things: Mapping[str, Any], inputs: tuple) -> tuple[dict[str, Any], dict[str, Any]]:
    """Everyone's last state and all updates."""
    return jax.lax.scan(lambda states, row: step(things, states, row), start(things, inputs), inputs)
