"""What a training step shows of every layer, as small arrays in the order of the run: inside the step's own program."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, did_you_mean, leaf_paths, wide
from ._layers import layer_indices, layer_name
from ._run import Probe
from ._sites import Site
from ._trace import Traced


class Instrument(NamedTuple):
    """What a reading is called, and how it is to be read."""

    title: str
    unit: str
    scale: str  # "log" or "linear"
    of: str  # "layer" or "run"
    says: str


INSTRUMENTS = {
    "gradient_norm": Instrument(
        "Gradient norm", "loss / weight", "log", "layer", "|dL/dW|: how strongly a layer is asked to learn."
    ),
    "weight_norm": Instrument("Weight norm", "weight", "log", "layer", "|W|: how far weights grow."),
    "update_ratio": Instrument(
        "Update to weight",
        "1 / step",
        "log",
        "layer",
        "|update| / |W|: above 0.1 a net jumps, below 1e-4 it stands still.",
    ),
    "output_rms": Instrument(
        "Output rms", "output", "log", "layer", "The size of z = W a + b: a signal that dies or blows up with depth."
    ),
    "output_gradient": Instrument(
        "Gradient of the output",
        "loss / output",
        "log",
        "layer",
        "|dL/dz|: where it shrinks towards the first layer, it vanishes.",
    ),
    "zeros": Instrument("Zero activations", "share", "linear", "layer", "The share of activations that are exactly 0."),
    "dead_units": Instrument(
        "Dead units",
        "share",
        "linear",
        "layer",
        "Units that are 0 for the whole batch: no gradient comes through them.",
    ),
    "saturated": Instrument(
        "Saturated", "share", "linear", "layer", "Values of a tanh or sigmoid at its ends, where the slope is small."
    ),
}
SETS = {
    "economy": ("gradient_norm", "weight_norm", "update_ratio", "output_rms", "output_gradient"),
    "standard": tuple(INSTRUMENTS),
}
_ENDS = {"tanh": (-0.97, 0.97), "sigmoid": (0.015, 0.985)}


def _sum_of_squares(x: Array, rows: int = 0) -> Array:
    """Over all but the first `rows` axes."""
    # A contraction: XLA's CPU takes a fifth of a reduction's time for it.
    kept, summed = tuple(range(rows)), tuple(range(rows, x.ndim))
    return lax.dot_general(x, x, ((summed, summed), (kept, kept)), preferred_element_type=jnp.float32)


def _nothing(x: Array) -> tuple:
    return ()


def _squares(x: Array) -> Array:
    """(2,): the number of entries, the sum of their squares; additive over turns, shards and batches."""
    return jnp.stack([jnp.full((), x.size, jnp.float32), _sum_of_squares(x)])


def _activation(units: int, ends: tuple[float, float] | None, x: Array) -> tuple[Array, Array]:
    """((2,): entries, entries at the ends; (units,): how often each unit is not 0)."""
    rest = tuple(i for i in range(x.ndim) if i != x.ndim + units)

    def count(where: Array) -> Array:
        ones = jnp.ones([x.shape[i] for i in rest], jnp.float32)
        contracted = ((rest, tuple(range(len(rest)))), ((), ()))
        return lax.dot_general(where.astype(jnp.float32), ones, contracted)

    at_ends = jnp.zeros(()) if ends is None else jnp.sum(count((x < ends[0]) | (x > ends[1])))
    return jnp.stack([jnp.full((), x.size, jnp.float32), at_ends]), count(x != 0)


def wanted(who: str, given: str | Sequence[str]) -> tuple[str, ...]:
    """The names of a set ("economy", "standard"), or the given ones, once they are found to be instruments.

    Raises:
        ValueError: with the nearest names, where there is no such set or instrument.
    """
    if isinstance(given, str):
        if given not in SETS:
            raise did_you_mean(f"{who}, as instruments,", given, SETS)
        return SETS[given]
    for name in given:
        if name not in INSTRUMENTS:
            raise did_you_mean(f"{who}, as instruments,", name, INSTRUMENTS)
    return tuple(given)


def plan(traced: Traced, names: tuple[str, ...]) -> dict[int, Probe]:
    """The probes that these instruments need."""
    probes: dict[int, Probe] = {}
    of_outputs = {"output_rms", "output_gradient"} & set(names)
    of_activations = {"zeros", "dead_units", "saturated"} & set(names)
    for site in traced.sites:
        lengths = tuple(level.length for level in site.levels)
        if of_outputs:
            probes[site.output] = Probe(site.output, _squares, _squares, site.block.avals[site.output], lengths)
        if of_activations and site.activations:
            last = site.activations[-1]
            aval = last.block.avals[last.ref]
            axis = site.unit_axis if aval.shape == site.block.avals[site.output].shape else -1
            if last.ref not in probes and aval.ndim:
                look = partial(_activation, axis, _ENDS.get(last.bounded))
                probes[last.ref] = Probe(last.ref, look, _nothing, aval, lengths)
    return probes


def readings(
    traced: Traced, measured: dict[int, Any], names: tuple[str, ...], params: Tree, grads: Tree, updates: Tree | None
) -> dict[str, Array]:
    """Name -> (layers,), NaN where a layer has none.

    Args:
        traced: the loss.
        measured: what the probes of `plan` measured.
        names: from `INSTRUMENTS`.
        params: the parameters before the step.
        grads: their gradients.
        updates: what was added to them; None where it is not known.
    """
    sizes = {"gradient_norm": _norms(grads), "weight_norm": _norms(params)}
    if updates is not None:
        sizes["update"] = _norms(updates)
    columns: dict[str, list[Array]] = {name: [] for name in names}
    for site in traced.sites:
        rows = _of_site(site, measured, sizes)
        for name in names:
            columns[name].append(rows[name])
    return {name: jnp.concatenate(column) for name, column in columns.items()}


def layer_names(traced: Traced) -> list[str]:
    """The layers' names, in the order of readings."""
    return [layer_name(site, index) for site in traced.sites for index in layer_indices(site)]


def lacking(traced: Traced, names: tuple[str, ...]) -> dict[str, list[bool]]:
    """Name -> for each layer whether it has no such number: no activation follows it, or none that has ends."""

    def lacks(site: Site, name: str) -> bool:
        last = site.activations[-1] if site.activations else None
        if name in ("gradient_norm", "weight_norm", "update_ratio"):
            return not site.weights
        if name in ("zeros", "dead_units"):
            return last is None
        return name == "saturated" and not (last and last.bounded)

    return {name: [lacks(site, name) for site in traced.sites for _ in layer_indices(site)] for name in names}


def _norms(tree: Tree) -> dict[str, Callable[[int], Array]]:
    """Path -> (number of leading axes that tell layers apart) -> norms, one a layer."""

    def of(x: Array) -> Callable[[int], Array]:
        x = wide(jnp.asarray(x))
        return lambda rows: jnp.sqrt(_sum_of_squares(x, rows))

    return {path: of(x) for path, x in zip(leaf_paths(tree), jax.tree.leaves(tree), strict=True)}


def _of_site(site: Site, measured: dict[int, Any], sizes: dict[str, Any]) -> dict[str, Array]:
    axes = tuple(i for i, level in enumerate(site.levels) if level.layers)
    turns = tuple(i for i, level in enumerate(site.levels) if not level.layers)
    count = len(layer_indices(site))
    missing = jnp.full((count,), jnp.nan)

    def rows(x: Array) -> Array:
        """(layers, ...): summed over turns."""
        return jnp.sum(x, axis=turns).reshape(count, *x.shape[len(site.levels) :])

    def norm(kind: str) -> Array:
        if kind not in sizes or not site.weights:
            return missing
        squares = sum(jnp.square(sizes[kind][path](len(axes))) for path in site.weights)
        return jnp.sqrt(squares).reshape(count) if jnp.size(squares) == count else missing

    found = {"gradient_norm": norm("gradient_norm"), "weight_norm": norm("weight_norm")}
    found["update_ratio"] = norm("update") / found["weight_norm"]
    out = measured.get(site.output)
    if out is not None:
        forward, backward = rows(out[0]), rows(out[1])
        found["output_rms"] = jnp.sqrt(forward[:, 1] / forward[:, 0])
        found["output_gradient"] = jnp.sqrt(backward[:, 1])
    last = site.activations[-1] if site.activations else None
    if last is not None and last.ref in measured and last.ref != site.output:
        totals, used = (rows(x) for x in measured[last.ref][0])
        found["zeros"] = 1 - jnp.sum(used, axis=1) / totals[:, 0]
        found["dead_units"] = jnp.mean(used == 0, axis=1)
        if last.bounded:
            found["saturated"] = totals[:, 1] / totals[:, 0]
    return {name: found.get(name, missing) for name in INSTRUMENTS}
