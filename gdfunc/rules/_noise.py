"""Gaussian noise for a tree of gradients."""

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree


def gaussian(key: Array, tree: Tree) -> Tree:
    """Standard normal numbers alike `tree`, drawn in float32 in every precision, so that all of them see the same noise.

    Args:
        key: a typed JAX key; each leaf is given its own part of it, in the order of `jax.tree.leaves`.
        tree: a pytree of arrays.

    Returns:
        A pytree alike.
    """
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    draw = lambda k, x: jax.random.normal(k, x.shape, jnp.float32).astype(x.dtype)  # noqa: E731
    return structure.unflatten(draw(k, x) for k, x in zip(keys, leaves, strict=True))
