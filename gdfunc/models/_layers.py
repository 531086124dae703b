"""Layers one after the other, neighbours of equal shape stacked and scanned: what `mlp`, `conv_net` and their kin are made of."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import Array

from .. import core
from ..core import Tree
from ..init import Initialiser
from ._dropout import check_rate, dropout as drop
from ._model import Fit, Layer, Model, check_input, check_own_params
from ._norm import Norm, check_norm, check_statistics, norm_params, normalise
from ._normalisation import Moments


class Given(NamedTuple):
    """What a layer, or a stack of them, is given beside its input."""

    params: Tree
    shift: Array | None = None  # added to the pre-activations, which makes their gradients seen
    statistics: Moments | None = None  # in place of the batch's
    key: Array | None = None  # of dropout


class Product(NamedTuple):
    """What a layer does with its weights."""

    shape: tuple[int, ...]  # of W, (..., in, out)
    apply: Callable[[Array, Array], Array]  # (a, W) -> a W; one function for layers that may be stacked
    weights: Initialiser


def layers(
    who: str,
    input_shape: tuple[str | int, ...],
    products: Sequence[Product],
    phi: core.Activation,
    biases: Initialiser | None,
    dtype: Any,
    made: tuple[Layer, ...] = (),
    norm: Norm | None = None,
    dropout: Any = 0.0,
) -> Model:
    """A model of layers z = a W + b, each but the last followed by phi.

    Args:
        who: the model, for errors.
        input_shape: what `check_input` takes.
        products: of each layer, in depth order. Neighbours that are equal are stacked.
        phi: the activation.
        biases: how each b, (out,), is drawn; None: there are none.
        dtype: the parameters'.
        made: the model's `layers`, where it has no norm.
        norm: of the pre-activations of all layers but the last.
        dropout: the share of the activations that a key leaves out.
    """
    check_norm(who, norm)
    check_rate(who, "dropout", dropout)
    blocks = _blocks(products)

    def init(key: Array) -> Tree:
        params = {}
        for name, keys in _dealt(jax.random.split(key, len(products)), blocks).items():
            draw = lambda key, name=name: init_layer(key, products[blocks[name][0]], name != "last")  # noqa: E731
            params[name] = jax.vmap(draw)(keys) if name.startswith("hidden") else draw(keys)
        return params

    def init_layer(key: Array, product: Product, hidden: bool) -> Tree:
        weight_key, bias_key = jax.random.split(key)
        weight = {"weight": product.weights(weight_key, product.shape, dtype)}
        if norm and hidden:
            return {**weight, **norm_params(bias_key, product.shape[-1], biases, dtype)}
        return {**weight, "bias": biases(bias_key, product.shape[-1:], dtype)} if biases else weight

    def hidden(product: Product, a: Array, given: Given) -> tuple[Array, tuple]:
        z, statistics = product.apply(a, given.params["weight"]), None
        if norm:
            z, statistics = normalise(norm, given.params, z, given.statistics)
        z = plus(z, given.params.get("bias"), given.shift)
        a = phi(z) if given.key is None else drop(given.key, phi(z), dropout)
        return a, (z, a, statistics)

    def run(params: Tree, x: Array, shifts: Tree = None, statistics: Tree = None, key: Array | None = None) -> tuple:
        """(the output, block -> (pre-activations, activations), block -> the batch's moments)."""
        a = check_input(who, x, input_shape)
        check_own_params(who, params, needed)
        check_statistics(who, statistics, run, needed, input_shape)
        keys = None if key is None else _dealt(jax.random.split(key, len(products)), blocks)
        given = {
            name: Given(params[name], part(shifts, name), part(statistics, name), part(keys, name)) for name in blocks
        }
        last = given.pop("last")
        a, kept = _along(hidden, a, given, products, blocks)
        z = plus(products[-1].apply(a, last.params["weight"]), last.params.get("bias"), last.shift)
        signals = {name: (z, a) for name, (z, a, _) in kept.items()} | {"last": (z, z)}
        return z, signals, {name: used for name, (_, _, used) in kept.items()}

    def refit(params: Tree, x: Array, fit: Fit) -> Tree:
        a = check_input(who, x, input_shape)
        check_own_params(who, params, needed)

        def step(product: Product, a: Array, layer: Tree) -> tuple[Array, Tree]:
            layer = fit(layer, partial(product.apply, a))
            return phi(plus(product.apply(a, layer["weight"]), layer.get("bias"))), layer

        of_hidden = {name: params[name] for name in blocks if name != "last"}
        a, fitted = _along(step, a, of_hidden, products, blocks)
        return {**fitted, "last": fit(params["last"], partial(products[-1].apply, a))}

    needed = jax.eval_shape(init, jax.random.key(0))
    # What `apply` drops of the run, the compiler drops too: the memory is the same (measured on 200 layers).
    return Model(
        init,
        lambda params, x, statistics=None, key=None: run(params, x, None, statistics, key)[0],
        trace_layers=lambda params, x, shifts=None: run(params, x, shifts)[:2],
        batch_statistics=(lambda params, x: run(params, x)[2]) if norm == "batch" else None,
        layers=() if norm else made,
        refit=None if norm else refit,
    )


def _along(
    step: Callable[[Product, Array, Any], tuple[Array, Any]],
    a: Array,
    given: dict[str, Any],
    products: Sequence[Product],
    blocks: dict[str, tuple[int, int]],
) -> tuple[Array, Tree]:
    """`step(product, a, given) -> (a, kept)` for each layer in depth order; stacks are scanned, and what they keep is stacked."""
    kept = {}
    for name, block in given.items():
        start, stop = blocks[name]
        one = partial(step, products[start])
        if not name.startswith("hidden"):
            a, kept[name] = one(a, block)
        elif stop - start == 1:  # perhaps of another shape than its input, as a scan's layers cannot be
            a, alone = one(a, jax.tree.map(lambda stack: stack[0], block))
            kept[name] = jax.tree.map(lambda x: x[None], alone)
        else:
            a, kept[name] = jax.lax.scan(one, a, block)
    return a, kept


def plus(x: Array, *terms: Array | None) -> Array:
    """x and those of the terms that there are."""
    for term in terms:
        x = x if term is None else x + term
    return x


def part(tree: Tree | None, name: str) -> Tree | None:
    """A block's part of what is given by block, if anything is."""
    return None if tree is None else tree.get(name)


def _blocks(products: Sequence[Product]) -> dict[str, tuple[int, int]]:
    """Name -> (first layer, one past the last): the first layer, runs of equal hidden layers, the last layer."""
    depth = len(products)
    runs: list[tuple[int, int]] = []
    for i in range(1, depth - 1):
        if runs and products[i] == products[i - 1]:
            runs[-1] = (runs[-1][0], i + 1)
        else:
            runs.append((i, i + 1))
    digits = len(str(len(runs)))  # padded: dicts flatten alphabetically, and leaves are to be in depth order
    names = ["hidden"] if len(runs) == 1 else [f"hidden_{i:0{digits}}" for i in range(1, len(runs) + 1)]
    first = {"first": (0, 1)} if depth > 1 else {}
    return {**first, **dict(zip(names, runs, strict=True)), "last": (depth - 1, depth)}


def _dealt(keys: Array, blocks: dict[str, tuple[int, int]]) -> dict[str, Array]:
    """Every block's keys: one, or a stack's."""
    return {name: keys[a:b] if name.startswith("hidden") else keys[a] for name, (a, b) in blocks.items()}
