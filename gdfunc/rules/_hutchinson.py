"""Hutchinson's estimate of a Hessian's diagonal."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, tree_map


def hessian_diagonal(grad_fn: Callable[[Tree], Tree], params: Tree, key: Array) -> Tree:
    r"""$z \odot (H z)$ with random signs z, whose mean is the Hessian's diagonal (Hutchinson 1990; Bekas, Kokiopoulou & Saad 2007).

    Exact, whatever the signs, where the Hessian is diagonal; otherwise the other entries of the row are its noise. It
    costs about as much as two gradients.

    Args:
        grad_fn: params -> gradients.
        params: where.
        key: a JAX key, another one for another estimate.

    Returns:
        A tree as `params`, in units of g per unit of p.
    """
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    z = structure.unflatten(
        [jax.random.rademacher(k, jnp.shape(p), p.dtype) for k, p in zip(keys, leaves, strict=True)]
    )
    hz = jax.jvp(grad_fn, (params,), (z,))[1]
    return tree_map(jnp.multiply, z, hz)
