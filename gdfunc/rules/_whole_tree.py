"""What rules that see the whole tree share."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree


def scalar_like(params: Tree, x: Any) -> Array:
    """`x` as a scalar of the parameters' precision, at least float32."""
    # Each leaf's own dtype: a weakly typed one would give way to float32.
    return jnp.asarray(x, jnp.result_type(jnp.float32, *map(jnp.result_type, jax.tree.leaves(params))))


def copies(params: Tree) -> Tree:
    """The parameters in arrays of their own: a state may be donated, and its owner keeps the parameters."""
    return jax.tree.map(lambda p: jnp.array(p, copy=True), params)


def zeros_like(params: Tree) -> Tree:
    """A tree of zeros, each leaf a new array."""
    return jax.tree.map(jnp.zeros_like, params)


def ratio(a: Any, b: Any, otherwise: Any = 0.0) -> Array:
    """a / b, and `otherwise` where b = 0, with finite derivatives there."""
    defined = b != 0
    return jnp.where(defined, a / jnp.where(defined, b, 1), otherwise)


def tree_l1(tree: Tree) -> Array:
    r"""$\lVert x \rVert_1$, the sum of all absolute values."""
    return sum((jnp.sum(jnp.abs(x)) for x in jax.tree.leaves(tree)), start=jnp.zeros((), jnp.float32))
