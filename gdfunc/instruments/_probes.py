"""Where a step's instruments look, and what they measure there: inside the step's own program."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from ..core import wide
from ._activation import ENDS
from ._histogram import magnitude_histogram
from ._rank import effective_rank
from ._run import Probe
from ._trace import Traced


def sum_of_squares(x: Array, rows: int = 0) -> Array:
    """Over all but the first `rows` axes."""
    # A contraction: XLA's CPU takes a fifth of a reduction's time for it.
    kept, summed = tuple(range(rows)), tuple(range(rows, x.ndim))
    return lax.dot_general(x, x, ((summed, summed), (kept, kept)), preferred_element_type=jnp.float32)


def _nothing(x: Array) -> tuple:
    return ()


def _squares(x: Array) -> Array:
    """(2,): the number of entries, the sum of their squares; additive over turns, shards and batches."""
    return jnp.stack([jnp.full((), x.size, jnp.float32), sum_of_squares(x)])


def _use(units: int, ends: tuple[float, float] | None, x: Array) -> tuple[Array, Array]:
    """((2,): entries, entries at the ends; (units,): how often each unit is not 0)."""
    rest = tuple(i for i in range(x.ndim) if i != x.ndim + units)

    def count(where: Array) -> Array:
        ones = jnp.ones([x.shape[i] for i in rest], jnp.float32)
        contracted = ((rest, tuple(range(len(rest)))), ((), ()))
        return lax.dot_general(where.astype(jnp.float32), ones, contracted)

    at_ends = jnp.zeros(()) if ends is None else jnp.sum(count((x < ends[0]) | (x > ends[1])))
    return jnp.stack([jnp.full((), x.size, jnp.float32), at_ends]), count(x != 0)


def _counts(x: Array) -> Array:
    return magnitude_histogram(x).astype(jnp.float32)  # what leaves as a cotangent is of floating point


def _rank(units: int, x: Array) -> Array:
    """(2,): 1, the effective rank of at most 128 centred examples; a mean over turns."""
    rows = jnp.moveaxis(x, units, -1).reshape(-1, x.shape[units])
    rows = wide(rows[:: -(-rows.shape[0] // 128)])
    return jnp.stack([jnp.ones(()), effective_rank(rows - jnp.mean(rows, axis=0)).astype(jnp.float32)])


def plan(traced: Traced, names: Collection[str]) -> dict[int, Probe]:
    """The probes that these instruments need."""
    probes: dict[int, Probe] = {}
    for site in traced.sites:
        lengths = tuple(level.length for level in site.levels)
        out = site.block.avals[site.output]
        of_output: dict[str, Callable] = {}
        if {"output_rms", "output_gradient"} & set(names):
            of_output["squares"] = _squares
        if "output_histogram" in names:
            of_output["histogram"] = _counts
        if of_output:
            backward = _squares if "squares" in of_output else _nothing
            probes[site.output] = Probe(site.output, partial(_all, of_output), backward, out, lengths)
        last = site.activations[-1] if site.activations else None
        if last is None or last.ref in probes or not last.block.avals[last.ref].ndim:
            continue
        aval = last.block.avals[last.ref]
        axis = site.unit_axis if aval.shape == out.shape else -1
        of_activation: dict[str, Callable] = {}
        if {"zeros", "dead_units", "saturated"} & set(names):
            of_activation["use"] = partial(_use, axis, ENDS.get(last.bounded))
        if "effective_rank" in names:
            of_activation["rank"] = partial(_rank, axis)
        if of_activation:
            probes[last.ref] = Probe(last.ref, partial(_all, of_activation), _nothing, aval, lengths)
    return probes


def _all(measures: dict[str, Callable], x: Array) -> dict[str, Any]:
    return {name: measure(x) for name, measure in measures.items()}
