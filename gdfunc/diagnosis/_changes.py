"""What remedies change: weights drawn anew, weights scaled, inputs standardised."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Tree, leaf_paths
from ..instruments import Layer
from ._evidence import wide

# Gains that keep the size of a signal (He et al. 2015; Glorot & Bengio 2010; 5/3 as PyTorch has it for tanh).
_GAINS = {"relu": 2**0.5, "leaky_relu": 2**0.5, "gelu": 2**0.5, "silu": 2**0.5, "elu": 2**0.5, "tanh": 5 / 3}


def redraw(params: Tree, found: tuple[Layer, ...], key: jax.Array) -> tuple[str, Tree]:
    """(its name, the parameters with weights drawn anew at the size that their activation asks for, and biases 0)."""
    leaves = dict(zip(leaf_paths(params), jax.tree.leaves(params), strict=True))
    fresh, names = dict(leaves), []
    for i, layer in enumerate(found):
        for path in layer.bias:
            fresh[path] = jnp.zeros_like(leaves[path])
        if len(layer.weights) != 1 or layer.kind == "gather":
            continue
        path, w = layer.weights[0], leaves[layer.weights[0]]
        gain = _GAINS.get(layer.activation_name, 1.0)
        names.append(_initialiser(layer.activation_name))
        depth = len(layer.index)
        units = layer.output.shape[layer.unit_axis]
        fan_in = max(1, int(np.prod(w.shape[depth:])) // units)
        draw = gain / fan_in**0.5 * jax.random.normal(jax.random.fold_in(key, i), w.shape[depth:], jnp.float32)
        fresh[path] = fresh[path].at[layer.index].set(draw.astype(w.dtype))
    return max(set(names), key=names.count), jax.tree.unflatten(jax.tree.structure(params), fresh.values())


def _initialiser(activation: str) -> str:
    if activation in ("", "sigmoid"):
        return "init.xavier_normal(), biases 0"
    return f"init.he_normal({activation!r}), biases 0"


def rescale(look: Callable, params: Tree, batch: Tree, found: tuple[Layer, ...], passes: int = 4) -> Tree:
    """Weights scaled until every layer's output has mean square 1 (Mishkin & Matas 2016, ICLR, LSUV).

    A layer's output grows with its own scale and with those before it: it is divided by its size over that of the layer
    before. Once is enough for relu in a row; branches and squashing functions take a few passes.
    """
    for _ in range(passes):
        leaves, before = dict(zip(leaf_paths(params), jax.tree.leaves(params), strict=True)), 1.0
        for layer in found:
            size = float(np.sqrt(np.mean(wide(layer.output) ** 2)))
            if len(layer.weights) == 1 and layer.kind != "gather" and 0 < size < np.inf:
                path = layer.weights[0]
                leaves[path] = leaves[path].at[layer.index].multiply(before / size)
                before = size
        params = jax.tree.unflatten(jax.tree.structure(params), leaves.values())
        found = look(params, batch)[2]
    return params


def standardised(batch: Tree) -> Tree:
    """The batch with each feature of its floating-point arrays of two or more axes at mean 0 and variance 1."""

    def one(x: Any) -> Any:
        x = jnp.asarray(x)
        if x.ndim < 2 or not jnp.issubdtype(x.dtype, jnp.floating):
            return x
        std = jnp.std(x, axis=0)
        return (x - jnp.mean(x, axis=0)) / jnp.where(std > 0, std, 1)

    return jax.tree.map(one, batch)
