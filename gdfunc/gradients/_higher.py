"""Derivatives beyond the first, dense: a Hessian's block, and those along one direction."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, check_params, did_you_mean, leaf_paths
from ._given import as_direction, scalar


def hessian_block(f: Callable[..., Array], params: Tree, rows: str, *args: Any, columns: str | None = None) -> Array:
    r"""The second derivatives by the entries of one leaf, or of two: a block of the Hessian, dense.

    $$H_{ab} = \frac{\partial^2 f}{\partial p_a\, \partial p_b}$$

    For small leaves: costs as many products with the Hessian as there are columns, and memory for all at once.

    Args:
        f: (params, *args) -> (), as a loss (params, batch) -> ().
        params: p, a pytree of real floating-point arrays.
        rows: the path of leaf a, as `layers/0/weight`.
        *args: what else f takes: the batch.
        columns: the path of leaf b; None for a itself.

    Returns:
        (entries of a, entries of b), entries in row-major order, in units of f / p**2.

    Raises:
        ValueError: naming a path that is none of the leaves', or where f is no real scalar.
    """
    check_params(params, "hessian_block")
    paths, (leaves, structure) = leaf_paths(params), jax.tree.flatten(params)
    columns = rows if columns is None else columns
    for path in (rows, columns):
        if path not in paths:
            raise did_you_mean("hessian_block", path, paths)
    a, b = paths.index(rows), paths.index(columns)

    def gradient(leaf: Array) -> Array:
        at = structure.unflatten([*leaves[:b], leaf, *leaves[b + 1 :]])
        return jax.tree.leaves(jax.grad(scalar("hessian_block", f))(at, *args))[a]

    block = jax.jacfwd(gradient)(leaves[b])
    return block.reshape(jnp.size(leaves[a]), jnp.size(leaves[b]))


def directional_derivatives(f: Callable[..., Array], params: Tree, v: Tree, *args: Any, order: int = 4) -> Array:
    r"""The value of f and its derivatives along v: the coefficients of its Taylor polynomial, times factorials.

    $$\frac{d^k}{dt^k} f(p + t v) \Big|_{t=0}, \quad k = 0, \ldots, K \qquad
    f(p + t v) \approx \sum_k \frac{t^k}{k!} \frac{d^k f}{dt^k}$$

    The second is $v^\top H v$. Forward mode K times over: each further order takes about twice as long, and every function of
    JAX has it. (Taylor mode needs but K**2 / 2 times f, of those functions that it knows: Bettencourt, Johnson & Duvenaud
    2019, <https://openreview.net/forum?id=SkxEF3FNPH>.)

    Args:
        f: (params, *args) -> (), as a loss (params, batch) -> ().
        params: p, a pytree of real floating-point arrays.
        v: the direction, a tree as `params` in structure and shapes.
        *args: what else f takes: the batch.
        order: K, 1 or more.

    Returns:
        (K + 1,), the k-th in units of f where v is in units of p.

    Raises:
        ValueError: where `order` is below 1, naming the first leaf where `params` and `v` differ, or where f is no real
            scalar.
    """
    v = as_direction("directional_derivatives", params, v)
    if order < 1:
        raise ValueError(f"directional_derivatives needs order >= 1, and was given order={order}")
    one = scalar("directional_derivatives", f)

    def derivatives(k: int) -> Callable[[Tree], tuple[Array, ...]]:
        """p -> (f, its first k derivatives along v)."""
        if k == 0:
            return lambda p: (one(p, *args),)

        def further(p: Tree) -> tuple[Array, ...]:
            values, slopes = jax.jvp(derivatives(k - 1), (p,), (v,))
            return (*values, slopes[-1])

        return further

    return jnp.stack(derivatives(order)(params))
