"""Gaussian noise for a tree of gradients."""

import jax
import jax.numpy as jnp
from jax import Array, lax

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
    z = [jax.random.normal(k, x.shape, jnp.float32) for k, x in zip(keys, leaves, strict=True)]
    # Compiled into one kernel with what follows, some would round otherwise than in another program.
    z = lax.optimization_barrier(z)
    return structure.unflatten(z.astype(x.dtype) for z, x in zip(z, leaves, strict=True))
