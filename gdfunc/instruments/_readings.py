"""What a training step shows of every layer, as small arrays in the order of the run."""

import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, leaf_paths, tree_sub, wide
from ._histogram import EDGES_LOG2, magnitude_histogram
from ._instruments import INSTRUMENTS
from ._layers import layer_indices, layer_name
from ._probes import sum_of_squares
from ._site import Site
from ._trace import Traced


def readings(
    traced: Traced,
    measured: dict[int, Any],
    names: Collection[str],
    params: Tree,
    grads: Tree,
    updates: Tree | None,
    start: Tree | None = None,
) -> dict[str, Array]:
    """Name -> (layers,), NaN where a layer has none, or (layers, bins) counts, 0 where it has none.

    Args:
        traced: the loss.
        measured: what the probes of `plan` measured.
        names: from `INSTRUMENTS`.
        params: the parameters before the step.
        grads: their gradients.
        updates: what was added to them; None where it is not known.
        start: the parameters from which the distance is measured.
    """
    sizes = {"gradient_norm": _of_weights(_norm, grads), "weight_norm": _of_weights(_norm, params)}
    if updates is not None:
        sizes["update"] = _of_weights(_norm, updates)
    if "distance" in names:
        sizes["distance"] = _of_weights(_norm, tree_sub(params, start))
    if "gradient_histogram" in names:
        sizes["gradient_histogram"] = _of_weights(_histogram, grads)
    if "weight_histogram" in names:
        sizes["weight_histogram"] = _of_weights(_histogram, params)
    columns: dict[str, list[Array]] = {name: [] for name in names}
    for site in traced.sites:
        rows = _of_site(site, measured, sizes)
        for name in names:
            columns[name].append(rows[name])
    return {name: jnp.concatenate(column) for name, column in columns.items()}


def layer_names(traced: Traced) -> list[str]:
    """The layers' names, in the order of readings."""
    return [layer_name(site, index) for site in traced.sites for index in layer_indices(site)]


def lacking(traced: Traced, names: Collection[str]) -> dict[str, list[bool]]:
    """Name -> for each layer whether it has no such number: no activation follows it, or none that has ends."""

    def lacks(site: Site, name: str) -> bool:
        last = site.activations[-1] if site.activations else None
        if name in _OF_WEIGHTS:
            return not site.weights
        if name in ("zeros", "dead_units", "effective_rank"):
            return last is None
        return name == "saturated" and not (last and last.bounded)

    return {name: [lacks(site, name) for site in traced.sites for _ in layer_indices(site)] for name in names}


_OF_WEIGHTS = ("gradient_norm", "weight_norm", "update_ratio", "distance", "gradient_histogram", "weight_histogram")


def _of_weights(measure: Callable[[Array, int], Array], tree: Tree) -> dict[str, Callable[[int], Array]]:
    """Path -> (number of leading axes that tell layers apart) -> what is measured of each layer."""
    leaves = zip(leaf_paths(tree), jax.tree.leaves(tree), strict=True)
    return {path: partial(measure, wide(jnp.asarray(x))) for path, x in leaves}


def _norm(x: Array, rows: int) -> Array:
    return jnp.sqrt(sum_of_squares(x, rows))


def _histogram(x: Array, rows: int) -> Array:
    return jax.vmap(magnitude_histogram)(x.reshape(math.prod(x.shape[:rows]), -1))


def _of_site(site: Site, measured: dict[int, Any], sizes: dict[str, Any]) -> dict[str, Array]:
    axes = tuple(i for i, level in enumerate(site.levels) if level.layers)
    turns = tuple(i for i, level in enumerate(site.levels) if not level.layers)
    count = len(layer_indices(site))
    missing, uncounted = jnp.full((count,), jnp.nan), jnp.zeros((count, len(EDGES_LOG2) + 1), jnp.int32)

    def rows(x: Array) -> Array:
        """(layers, ...): summed over turns."""
        return jnp.sum(x, axis=turns).reshape(count, *x.shape[len(site.levels) :])

    def norm(kind: str) -> Array:
        if kind not in sizes or not site.weights:
            return missing
        squares = sum(jnp.square(sizes[kind][path](len(axes))) for path in site.weights)
        return jnp.sqrt(squares).reshape(count) if jnp.size(squares) == count else missing

    def histogram(kind: str) -> Array:
        counts = [sizes[kind][path](len(axes)) for path in site.weights] if kind in sizes else []
        return sum((x.reshape(count, -1) for x in counts if len(x) == count), start=uncounted)

    of = {"histogram": uncounted, "layer": missing}
    blank = {name: of[each.of] for name, each in INSTRUMENTS.items() if each.of in of}
    found = {name: norm(name) for name in ("gradient_norm", "weight_norm", "distance")}
    found["update_ratio"] = norm("update") / found["weight_norm"]
    found |= {name: histogram(name) for name in ("gradient_histogram", "weight_histogram")}
    out, slopes = measured.get(site.output, ({}, ()))
    if "histogram" in out:
        found["output_histogram"] = rows(out["histogram"]).astype(jnp.int32)
    if "squares" in out:
        forward, backward = rows(out["squares"]), rows(slopes)
        found["output_rms"] = jnp.sqrt(forward[:, 1] / forward[:, 0])
        found["output_gradient"] = jnp.sqrt(backward[:, 1])
    last = site.activations[-1] if site.activations else None
    if last is None or last.ref == site.output:
        return blank | found
    after, _ = measured.get(last.ref, ({}, ()))
    if "use" in after:
        totals, used = (rows(x) for x in after["use"])
        seen = totals[:, 0] > 0  # not where no gradient comes through, and with it no measurement
        found["zeros"] = 1 - jnp.sum(used, axis=1) / totals[:, 0]
        found["dead_units"] = jnp.where(seen, jnp.mean(used == 0, axis=1), jnp.nan)
        if last.bounded:
            found["saturated"] = totals[:, 1] / totals[:, 0]
    if "rank" in after:
        ranks = rows(after["rank"])
        found["effective_rank"] = ranks[:, 1] / ranks[:, 0]
    return blank | found
