"""The numbers that findings are made of: one row a layer, from one batch forward and back."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Tree, leaf_paths
from ..instruments import ENDS, Layer


class Row(NamedTuple):
    """A layer's numbers, in float64; NaN where there is none."""

    name: str
    activation: str
    feeds: bool  # whether another layer comes after it
    output_rms: float  # of z
    gradient_norm: float  # of dL/dz, over the whole batch
    turns: tuple[float, ...]  # the same at each turn of a scan that uses the weights again
    zeros: float  # the share of activations that are 0
    dead: float  # the share of units that are 0 for the whole batch
    saturated: float  # the share of a tanh's or sigmoid's values at its ends
    distinct: float  # the share of units whose weights and gradients differ from all others'
    rank: float  # the effective rank of the activations, a number of directions
    reached: bool
    weight_variance: float = np.nan  # n_in times the mean square of the weights of a matrix product


class Evidence(NamedTuple):
    """What one batch shows: the loss, a row a layer, the gradient, the first layer's input."""

    loss: float
    rows: list[Row]
    grads: Tree  # the gradient; a leaf of zeros is that of weights nearby, so that one behind weights of 0 is told from a lost one
    inputs: list[np.ndarray]  # what first layers take, (examples, features)
    layers: tuple[Layer, ...]


def gather(look: Callable, params: Tree, batch: Tree) -> Evidence:
    """Looks at one batch. Its cost is that of a gradient, and the memory of all arrays between the layers.

    Args:
        look: what `instruments.look_at` gives for the loss.
        params: the parameters.
        batch: the batch.
    """
    loss, grads, found = look(params, batch)
    found = tuple(layer for layer in found if layer.weights)  # no tags
    weights = dict(zip(leaf_paths(params), jax.tree.leaves(params), strict=True))
    slopes = dict(zip(leaf_paths(params), jax.tree.leaves(grads), strict=True))
    rows = [_row(layer, weights, slopes, last=i == len(found) - 1) for i, layer in enumerate(found)]
    if any(row.distinct < 0.5 for row in rows):
        rows = [
            row._replace(distinct=d) for row, d in zip(rows, _distinct_later(look, params, grads, batch), strict=True)
        ]
    if not all(np.any(np.asarray(g)) for g in slopes.values()):
        nearby = look(_nudged(params), batch)[1]
        grads = jax.tree.map(lambda g, near: g if np.any(np.asarray(g)) else near, grads, nearby)
    entered = [_examples(layer.input) for layer in found if layer.first and layer.input is not None]
    return Evidence(float(loss), rows, grads, entered, found)


def _distinct_later(look: Callable, params: Tree, grads: Tree, batch: Tree) -> list[float]:
    """Which units differ after two short steps: those behind weights of 0 have no gradient before (Fixup's, SkipInit's)."""
    found = ()
    for _ in range(2):
        size = max(float(jnp.max(jnp.abs(g), initial=0)) for g in jax.tree.leaves(grads)) or 1.0
        params = jax.tree.map(lambda p, g: p - jnp.asarray(0.01 * g / size, p.dtype), params, grads)  # noqa: B023
        _, grads, found = look(params, batch)
    by_path = [dict(zip(leaf_paths(params), jax.tree.leaves(x), strict=True)) for x in (params, grads)]
    return [_distinct(layer, *by_path) for layer in found if layer.weights]


def _nudged(params: Tree) -> Tree:
    """Parameters a hundredth away, in the unit in which weights are drawn: none of them is 0."""
    leaves, structure = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    return structure.unflatten([p + jnp.asarray(0.01 * rng.standard_normal(np.shape(p)), p.dtype) for p in leaves])


def _row(layer: Layer, weights: dict, slopes: dict, last: bool) -> Row:
    z, slope = wide(layer.output), wide(layer.output_gradient)
    seen = layer.reached or bool(np.any(z))  # where no gradient comes through, nothing is measured on the way forward
    if not seen:
        layer, z = layer._replace(activation=None), np.full_like(z, np.nan)
    a = None if layer.activation is None else wide(layer.activation)
    axis = layer.unit_axis if a is not None and a.shape == z.shape else -1
    rest = () if a is None else tuple(i for i in range(a.ndim) if i != a.ndim + axis)
    low, high = ENDS.get(layer.activation_name, (-np.inf, np.inf)) if layer.squashes else (-np.inf, np.inf)
    return Row(
        name=layer.name,
        activation=layer.activation_name,
        feeds=not last,
        output_rms=float(np.sqrt(np.mean(z**2))),
        gradient_norm=float(np.sqrt(np.sum(slope**2))),
        turns=tuple(np.sqrt(np.sum(slope**2, axis=tuple(range(1, slope.ndim))))) if layer.turns else (),
        zeros=np.nan if a is None else float(np.mean(a == 0)),
        dead=np.nan if a is None else float(np.mean(np.all(a == 0, axis=rest))),
        saturated=np.nan if a is None or not layer.squashes else float(np.mean((a < low) | (a > high))),
        distinct=_distinct(layer, weights, slopes),
        rank=np.nan if a is None else _rank(np.moveaxis(a, axis, -1)),
        weight_variance=_weight_variance(layer, weights),
        reached=layer.reached,
    )


def _weight_variance(layer: Layer, weights: dict) -> float:
    if layer.kind != "dot_general" or len(layer.weights) != 1:
        return np.nan
    w = np.asarray(weights[layer.weights[0]], np.float64)[tuple(int(i) for i in layer.index)]
    if w.ndim > 2 and w.size == np.prod(w.shape[-2:]):  # a stack of one
        w = w.reshape(w.shape[-2:])
    return float(w.shape[1 - layer.weight_unit_axis % 2] * np.mean(w**2)) if w.ndim == 2 else np.nan


def _distinct(layer: Layer, weights: dict, slopes: dict) -> float:
    """The share of units that are not the same as another one, and stay so because their gradients are the same too."""
    kinds = ("dot_general", "conv_general_dilated")
    if layer.kind not in kinds or len(layer.weights) != 1 or layer.output.shape[layer.unit_axis] < 2:
        return np.nan
    index = tuple(int(i) for i in layer.index)
    w, g = (np.asarray(x[layer.weights[0]], np.float64)[index] for x in (weights, slopes))
    n, units = layer.output.shape[layer.unit_axis], layer.weight_unit_axis
    if layer.kind == "dot_general" and w.size == np.prod(w.shape[-2:]):  # a stack of one
        w, g = w.reshape(w.shape[-2:]), g.reshape(g.shape[-2:])
    if w.ndim < 2 or (layer.kind == "dot_general" and w.ndim > 2):
        return np.nan
    if w.shape[units] != n:
        units = w.shape.index(n) if n in w.shape else 1
    both = np.stack([w, g / (np.max(np.abs(g)) or 1.0)])
    columns = np.moveaxis(both, 1 + units if units >= 0 else units, 0).reshape(w.shape[units], -1)
    scale = np.max(np.abs(columns)) or 1.0
    return len(np.unique(np.round(columns / scale, 6), axis=0)) / len(columns)


def _rank(a: np.ndarray) -> float:
    """exp of the entropy of the centred activations' normalised singular values (Roy & Vetterli 2007, EUSIPCO)."""
    # Not `instruments.effective_rank`, which compiles for each layer's shape: a second for what takes NumPy a millisecond.
    x = a.reshape(-1, a.shape[-1])[:512]
    x = x - x.mean(0)
    if not np.all(np.isfinite(x)):
        return np.nan
    s = np.linalg.svd(x, compute_uv=False)
    if not s.sum() > 0:
        return 0.0
    p = s[s > 0] / s.sum()
    return float(np.exp(-np.sum(p * np.log(p))))


def _examples(x: Any) -> np.ndarray:
    x = wide(x)
    return x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x[:, None]


def wide(x: Any) -> np.ndarray:
    """A NumPy copy in float64."""
    return np.asarray(x).astype(np.float64)


def slope_of(norms: Sequence[float]) -> float:
    r"""How many decades a gradient's norm grows a layer, from the first to the last: the median slope of all pairs (Theil 1950).

    $$\mathrm{median}_{i < j} \frac{\log_{10} n_i - \log_{10} n_j}{j - i}$$

    Positive where gradients explode on the way back, negative where they vanish. A median: branches beside the main
    line do not tilt it. A norm, not a mean square: it is what a layer of any width hands on.
    """
    y = np.log10(np.maximum(np.asarray(norms, np.float64), 1e-300))
    pairs = [(y[i] - y[j]) / (j - i) for j in range(len(y)) for i in range(j)]
    return float(np.median(pairs)) if pairs else 0.0
