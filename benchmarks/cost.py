"""The compiled work of one update: flops and bytes of each rule over those of its Optax twin (`cost_analysis`)."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from gdfunc.core import apply_updates
from gdfunc.parity import build
from gdfunc.rules import records

LEAVES, SIDE = 10, 256


def work(transformation: Any) -> dict[str, float]:
    """Flops and bytes accessed of one compiled update and its application, on 10 leaves of 256 x 256."""
    params = {f"layer_{i}": jnp.zeros((SIDE, SIDE)) for i in range(LEAVES)}

    def step(params, state, grads):
        updates, state = transformation.update(grads, state, params)
        return apply_updates(params, updates), state

    state = transformation.init(params)
    cost = jax.jit(step).lower(params, state, params).compile().cost_analysis()
    return {"flops": cost["flops"], "bytes": cost["bytes accessed"]}


def pairs() -> Iterator[tuple[str, Any, Any]]:
    """Each rule, at the first setting of its record that Optax has too, with its twin."""
    for name, known in records().items():
        twin = known.twin("optax")
        for settings in known.settings:
            ours = known.make(**settings)
            theirs = "no twin" if twin is None else build(twin, ours)
            if not isinstance(theirs, str):
                yield f"{name} {settings}", ours, theirs
                break


def rows(quick: bool = False) -> Iterator[dict[str, Any]]:
    for name, ours, theirs in pairs():
        mine, peer = work(ours), work(theirs)
        yield {"what": name, **{f"{unit} over Optax's": mine[unit] / peer[unit] for unit in mine}}
