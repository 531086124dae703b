"""What is read of a step beside its own gradient: curvature, noise, the step's quality, and what needs a memory of earlier steps."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, apply_updates, tree_dot, tree_norm
from ..rules import Adam
from ._batch_tests import inner_product_test, norm_test, orthogonality_test
from ._curvature import top_eigenvalue
from ._example_gradients import example_gradient_norms, example_projections
from ._instruments import INSTRUMENTS
from ._noise import noise_scale
from ._probes import plan
from ._readings import readings
from ._stability import adam_preconditioner, sharpness_ratio
from ._step_quality import StepEnds, alpha, gradient_cosine, step_ends
from ._trace import probed_value_and_grad, trace
from ._wanted import OF_EXAMPLES, clippings


class Step(NamedTuple):
    """What a training step has at hand."""

    loss_fn: Callable[[Tree, Tree], Array]  # (params, batch) -> ()
    params: Tree  # before it
    batch: Tree
    loss: Array  # on the batch; with mini-batches, as the gradients, the mean over them
    grads: Tree
    updates: Tree | None  # None where they are not known
    rule: Any  # None where it is not known
    state: Any  # the rule's, after it
    number: Any  # how many were made before it, () int32
    examples: Tree  # the whole batch, where `batch` is one of several mini-batches


class Reader(NamedTuple):
    """Reads some instruments: (step, names, memory, whether it is the first reading) -> (name -> number, memory)."""

    names: tuple[str, ...]
    memory: Callable[[Tree, tuple[str, ...]], Any]  # the parameters, or their shapes -> a memory of zeros
    read: Callable[[Step, tuple[str, ...], Any, Array], tuple[Mapping[str, Any], Any]]


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


def _zeros(params: Tree) -> Tree:
    return jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), params)


def _first(first: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(first, a, b), new, old)


def _nothing(params: Tree, names: tuple[str, ...]) -> tuple:
    return ()


def _layers(step: Step, names: tuple[str, ...], memory: Tree, first: Array) -> tuple[Mapping[str, Any], Tree]:
    start = _first(first, step.params, memory) if "distance" in names else None
    traced = trace("instruments", step.loss_fn, step.params, step.batch)
    probes, measured = plan(traced, names), {}
    if probes:
        measured = probed_value_and_grad(traced, probes, step.params, step.batch)[2]
    found = readings(traced, measured, names, step.params, step.grads, step.updates, start)
    return found, () if start is None else start


def _start(params: Tree, names: tuple[str, ...]) -> Tree:
    return _zeros(params) if "distance" in names else ()


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
    return Directions(_zeros(params), _zeros(params))


def _cosines(step: Step, names: tuple[str, ...], memory: Directions, first: Array) -> tuple[Mapping[str, Any], Any]:
    start = _first(first, step.grads, memory.start)
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


class Averages(NamedTuple):
    """Running averages, each of the last ten readings or so, and the weight that they sum to."""

    noise: Array
    signal: Array
    weight: Array


def _averages(params: Tree, names: tuple[str, ...]) -> Averages:
    return Averages(*(jnp.zeros(()) for _ in range(3)))


def _noise(step: Step, names: tuple[str, ...], memory: Averages, first: Array) -> tuple[Mapping[str, Any], Any]:
    norms = example_gradient_norms(step.loss_fn, step.params, step.examples)
    squares, g = norms**2, step.grads
    now = noise_scale(squares, g)
    new = jax.tree.map(lambda m, x: 0.9 * m + 0.1 * x, memory, Averages(now.trace, now.signal, jnp.ones(())))
    scale = jnp.where(new.signal > 0, new.noise / new.signal, jnp.inf)  # their common weight cancels
    found = {"gradient_noise": now.trace, "gradient_signal": now.signal, "noise_scale": scale}
    found["norm_test"] = norm_test(squares, g)
    if {"inner_product_test", "orthogonality_test"} & set(names):
        along = example_projections(step.loss_fn, step.params, step.examples, g)
        found["inner_product_test"] = inner_product_test(along, g)
        found["orthogonality_test"] = orthogonality_test(squares, along, g)
    return found, new


class Directed(NamedTuple):
    """Where the next search for the largest eigenvalue starts: of H, and of P^-1 H."""

    plain: Tree
    preconditioned: Tree


def _vectors(params: Tree, names: tuple[str, ...]) -> Directed:
    return Directed(_zeros(params), _zeros(params))


def _curvature(step: Step, names: tuple[str, ...], memory: Directed, first: Array) -> tuple[Mapping[str, Any], Any]:
    leaves, structure = jax.tree.flatten(step.params)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    drawn = structure.unflatten([jax.random.normal(k, p.shape, p.dtype) for k, p in zip(keys, leaves, strict=True)])
    search = lambda v, P=None: top_eigenvalue(  # noqa: E731
        step.loss_fn, step.params, step.batch, _first(first, drawn, v), 20, 0.05, P
    )
    top = search(memory.plain)
    found = {"sharpness": top.value, "sharpness_residual": top.residual}
    if "sharpness_ratio" not in names:
        return found, memory._replace(plain=top.vector)
    if type(step.rule) is not Adam:
        ratio = sharpness_ratio(top.value, step.rule, step.number)
        return {**found, "sharpness_ratio": ratio}, memory._replace(plain=top.vector)
    scaled = search(memory.preconditioned, adam_preconditioner(step.rule, step.state))
    ratio = sharpness_ratio(scaled.value, step.rule, step.number, preconditioned=True)
    return {**found, "sharpness_ratio": ratio}, Directed(top.vector, scaled.vector)


READERS = (
    Reader(tuple(name for name, each in INSTRUMENTS.items() if each.of != "run"), _start, _layers),
    Reader(("clipped",), _nothing, _clipped),
    Reader(("gradient_cosine", "initial_cosine"), _directions, _cosines),
    Reader(("alpha", "loss_after_before"), _nothing, _quality),
    Reader(OF_EXAMPLES, _averages, _noise),
    Reader(("sharpness", "sharpness_residual", "sharpness_ratio"), _vectors, _curvature),
)
