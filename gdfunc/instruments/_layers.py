"""What every layer of a loss takes, gives and is asked to change: the whole arrays, of one batch."""

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, leaf_paths
from ._program import Block, needed
from ._run import Probe
from ._site import Site
from ._trace import Traced, probed_value_and_grad, trace


class Layer(NamedTuple):
    """One weighted operation of a loss, in the order of its run.

    Layers that a scan walks through are given apart (`hidden/weight[3]`); weights that are used again at every turn of a
    scan (time) are one layer, whose arrays have the turns on a leading axis. The shards of a shard_map stand one after
    another on the array's own first axis (examples), on a new one where it has fewer than two. What the loss's gradient
    does not come through (a branch not taken, under `stop_gradient`) is zero, and `reached` is False.
    """

    name: str  # the path of the parameter that it consumes
    kind: str  # "dot_general", "conv_general_dilated", "gather", ...; "tag" for a value named by `tap`
    weights: tuple[str, ...]  # the paths of all parameters in it
    bias: tuple[str, ...]
    activation_name: str  # "relu", "tanh", ...; "" where none follows
    squashes: bool  # whether the activation is the plain tanh or sigmoid, whose ends are -1 or 0, and 1
    unit_axis: int  # of output, counted from its end: where its units or channels lie
    weight_unit_axis: int  # of the weights: where their units lie
    index: tuple[int, ...]  # which layer of stacked weights
    first: bool  # whether the data come to it without having gone through another layer
    turns: bool  # whether the arrays have the turns of a scan on their first axis
    input: Array | None  # a; None for whole numbers (an embedding's)
    output: Array  # z, the pre-activation: bias included
    activation: Array | None  # phi(z); None where none follows
    input_gradient: Array | None  # dL/da, of the whole loss: everything that a goes into
    output_gradient: Array  # dL/dz
    activation_gradient: Array | None  # dL/dphi(z)
    reached: bool


def layers(loss_fn: Callable[..., Any], params: Tree, batch: Tree, has_aux: bool = False) -> tuple[Layer, ...]:
    r"""Every layer's input, output, activation, and the loss's gradient with respect to each, of any JAX loss.

    $$a_l \qquad z_l = W_l a_l + b_l \qquad \phi(z_l) \qquad
    \frac{\partial L}{\partial a_l} \quad \frac{\partial L}{\partial z_l} \quad \frac{\partial L}{\partial \phi(z_l)}$$

    The model stays as it is: the loss is traced, its weighted operations (products, convolutions, look-ups in
    a table of parameters) are found by following the parameters, and it is run again with a probe at each. Loops, branches,
    recomputation and shards are gone through; a `while` loop is not, as reverse-mode differentiation is not: what cannot be
    seen is said in a warning.

    Args:
        loss_fn: (params, batch) -> loss, a real scalar; with `has_aux`, (loss, aux).
        params: a pytree of real floating-point arrays.
        batch: whatever the loss takes; None for one that takes nothing.
        has_aux: whether loss_fn returns (loss, aux).

    Returns:
        A `Layer` for each, in the order of the run. The cost is that of a gradient, and the memory of all arrays.

    Raises:
        ValueError: where the loss is no scalar, the parameters are none, the batch is missing, or no parameter meets the
            data: then the loss closes over its parameters, or has none that it multiplies.
    """
    look = look_at("layers", loss_fn, params, batch, has_aux)
    for sentence in look.unseen:
        warnings.warn(sentence, stacklevel=2)
    return look.look(params, batch)[2]


class Look(NamedTuple):
    """A loss that can be looked into.

    `look`: (params, batch) -> (loss, gradients, layers), compiled once for all parameters and batches of these shapes;
    `unseen`: sentences on what cannot be seen; `unused`: the paths of the batch's arrays that the loss does not depend on.
    """

    look: Callable[[Tree, Tree], tuple[Array, Tree, tuple[Layer, ...]]]
    unseen: tuple[str, ...]
    unused: tuple[str, ...]


def look_at(who: str, loss_fn: Callable[..., Any], params: Tree, batch: Tree, has_aux: bool = False) -> Look:
    """Traces a loss, and finds its layers."""
    traced = trace(who, loss_fn, params, batch, has_aux)
    check_found(who, traced)
    probes = {}
    for site in traced.sites:
        lengths = tuple(level.length for level in site.levels)
        for block, ref in looked_at(site):
            if jnp.issubdtype(block.avals[ref].dtype, jnp.floating):
                probes[ref] = Probe(ref, _same, _same, block.avals[ref], lengths, block.shards(ref))

    @jax.jit
    def measure(params: Tree, batch: Tree) -> tuple[Array, Tree, dict]:
        (loss, _), grads, measured = probed_value_and_grad(traced, probes, params, batch, has_aux)
        return loss, grads, measured

    def look(params: Tree, batch: Tree) -> tuple[Array, Tree, tuple[Layer, ...]]:
        loss, grads, measured = measure(params, batch)
        return loss, grads, tuple(itertools.chain.from_iterable(_apart(site, measured) for site in traced.sites))

    inputs = traced.program.inputs[len(jax.tree.leaves(params)) :]
    used = needed(traced.program)
    unused = tuple(path for path, ref in zip(leaf_paths(batch), inputs, strict=True) if ref not in used)
    return Look(look, tuple(traced.unseen), unused)


def check_found(who: str, traced: Traced) -> None:
    """Raises ValueError where a loss has no layers to look at."""
    if not any(site.weights for site in traced.sites):
        also = f" ({'; '.join(traced.unseen)})" if traced.unseen else ""
        raise ValueError(
            f"{who} needs a loss that multiplies its parameters with data, and found no such operation{also}: does loss_fn "
            "use the params it is given, or does it close over its own?"
        )


def looked_at(site: Site) -> list[tuple[Block, int]]:
    """(block, ref) of a layer's input, output and activations."""
    return [(site.block, site.input), (site.block, site.output), *((each.block, each.ref) for each in site.activations)]


def layer_indices(site: Site) -> list[tuple[int, ...]]:
    """The indices that tell a scan's layers apart; [()] where there is no such scan."""
    return list(itertools.product(*(range(level.length) for level in site.levels if level.layers)))


def layer_name(site: Site, index: Sequence[int]) -> str:
    """`hidden/weight[3]`."""
    return site.name + "".join(f"[{i}]" for i in index)


def _same(x: Array) -> Array:
    return x


def _apart(site: Site, measured: dict[int, Any]) -> list[Layer]:
    """A layer each from arrays that have the turns of the scans around them on leading axes."""
    layer_axes = tuple(i for i, level in enumerate(site.levels) if level.layers)
    found = []
    for index in layer_indices(site):

        def pick(block: Block, ref: int, of: int, index: tuple[int, ...] = index) -> Any:
            if ref not in measured:
                return None
            x = jnp.moveaxis(measured[ref][of], layer_axes, tuple(range(len(layer_axes))))[index]
            if not block.shards(ref) or len(block.avals[ref].shape) < 2:
                return x
            shard = len(site.levels) - len(index)
            return x.reshape(*x.shape[:shard], -1, *x.shape[shard + 2 :])

        last = site.activations[-1] if site.activations else None
        gradient = pick(site.block, site.output, 1)
        found.append(
            Layer(
                name=layer_name(site, index),
                kind=site.kind,
                weights=site.weights,
                bias=site.bias,
                activation_name=last.name if last else "",
                squashes=bool(last and last.bounded),
                unit_axis=site.unit_axis,
                weight_unit_axis=site.weight_unit_axis,
                index=index,
                first=site.first,
                turns=not all(level.layers for level in site.levels),
                input=pick(site.block, site.input, 0),
                output=pick(site.block, site.output, 0),
                activation=pick(last.block, last.ref, 0) if last else None,
                input_gradient=pick(site.block, site.input, 1),
                output_gradient=gradient,
                activation_gradient=pick(last.block, last.ref, 1) if last else None,
                reached=bool(jnp.any(gradient != 0)),
            )
        )
    return found
