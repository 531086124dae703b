"""What a training step shows of every layer, as small arrays in the order of the run: inside the step's own program."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, leaf_paths, wide
from ._activation import ENDS
from ._instruments import INSTRUMENTS
from ._layers import layer_indices, layer_name
from ._run import Probe
from ._site import Site
from ._trace import Traced


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
                look = partial(_activation, axis, ENDS.get(last.bounded))
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
