"""What is read of a step beside its own gradient: curvature, noise, the step's quality, and what needs a memory of earlier steps."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, apply_updates, tree_dot, tree_norm
from ._instruments import INSTRUMENTS
from ._probes import plan
from ._read_curvature import CURVATURE
from ._read_noise import NOISE
from ._reader import Reader, Step, at_first, no_memory, zeros
from ._readings import readings
from ._step_quality import StepEnds, alpha, gradient_cosine, step_ends
from ._trace import probed_value_and_grad, trace
from ._wanted import clippings


def blank(names: Iterable[str], params: Tree) -> dict[str, Any]:
    """The memory of these instruments before their first reading."""
    names = tuple(names)
    memories = {r.names[0]: r.memory(params, _of(r, names)) for r in READERS if _of(r, names)}
    return {"readings": jnp.zeros((), jnp.int32), **memories}


def read_step(names: Iterable[str], step: Step, memory: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """(name -> numbers, the memory afterwards)."""
    names, found = tuple(names), {}
    after = {"readings": memory["readings"] + 1}
    for reader in READERS:
        if own := _of(reader, names):
            values, new = reader.read(step, own, memory[reader.names[0]], memory["readings"] == 0)
            found |= {name: jnp.asarray(values[name]) for name in own}
            after[reader.names[0]] = jax.tree.map(lambda a, b: jnp.asarray(a, b.dtype), new, memory[reader.names[0]])
    return found, after


def _of(reader: Reader, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in reader.names if name in names)


def _layers(step: Step, names: tuple[str, ...], memory: Tree, first: Array) -> tuple[Mapping[str, Any], Tree]:
    start = at_first(first, step.params, memory) if "distance" in names else None
    traced = trace("instruments", step.loss_fn, step.params, step.batch)
    probes, measured = plan(traced, names), {}
    if probes:
        measured = probed_value_and_grad(traced, probes, step.params, step.batch)[2]
    found = readings(traced, measured, names, step.params, step.grads, step.updates, start)
    return found, () if start is None else start


def _start(params: Tree, names: tuple[str, ...]) -> Tree:
    return zeros(params) if "distance" in names else ()


def _clipped(step: Step, names: tuple[str, ...], memory: Any, first: Array) -> tuple[Mapping[str, Any], Any]:
    g = step.grads
    for i, part in clippings(step.rule):
        g, _ = part.update(g, step.state[i], step.params)
    return {"clipped": 1 - tree_norm(g) / tree_norm(step.grads)}, ()


class Directions(NamedTuple):
    """The gradients of the last reading and of the first."""

    last: Tree
    start: Tree


def _directions(params: Tree, names: tuple[str, ...]) -> Directions:
    return Directions(zeros(params), zeros(params))


def _cosines(step: Step, names: tuple[str, ...], memory: Directions, first: Array) -> tuple[Mapping[str, Any], Any]:
    start = at_first(first, step.grads, memory.start)
    found = {
        "gradient_cosine": gradient_cosine(step.grads, memory.last),  # NaN at the first: it was 0
        "initial_cosine": gradient_cosine(step.grads, start),
    }
    return found, Directions(step.grads, start)


def _quality(step: Step, names: tuple[str, ...], memory: Any, first: Array) -> tuple[Mapping[str, Any], Any]:
    if step.updates is None:
        return dict.fromkeys(names, jnp.nan), ()
    if step.examples is step.batch:  # one end is known
        after = jax.jvp(
            lambda p: step.loss_fn(p, step.batch), (apply_updates(step.params, step.updates),), (step.updates,)
        )
        ends = StepEnds(step.loss, tree_dot(step.grads, step.updates), *after)
    else:
        ends = step_ends(step.loss_fn, step.params, step.updates, step.batch)
    return {"alpha": alpha(ends), "loss_after_before": ends.loss_after / ends.loss_before}, ()


READERS = (
    Reader(tuple(name for name, each in INSTRUMENTS.items() if each.of != "run"), _start, _layers),
    Reader(("clipped",), no_memory, _clipped),
    Reader(("gradient_cosine", "initial_cosine"), _directions, _cosines),
    Reader(("alpha", "loss_after_before"), no_memory, _quality),
    NOISE,
    CURVATURE,
)
