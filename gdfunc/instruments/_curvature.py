"""The loss's curvature where training stands, at its largest."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, check_alike, check_params, tree_dot, tree_norm, tree_scale, tree_sub
from ..gradients import hessian_vector_product


class TopEigenvalue(NamedTuple):
    """What power iteration has found.

    Attributes:
        value: () in units of L / p**2, the Rayleigh quotient of the last direction v that H was multiplied with.
        vector: a tree as `params` of norm 1, H v over its norm: nearer than v, and where the next call should start.
            Where H v is 0 or not finite it is v.
        residual: (), |H v - value v| / |value|: some eigenvalue lies within this share of the value. 0 where H v = 0.
        products: () int32, how many products with H were made.
    """

    value: Array
    vector: Tree
    residual: Array
    products: Array


def top_eigenvalue(
    loss_fn: Callable[[Tree, Tree], Array],
    params: Tree,
    batch: Tree,
    vector: Tree,
    iterations: Any = 20,
    tolerance: Any = 0.01,
    preconditioner: Tree | None = None,
) -> TopEigenvalue:
    r"""The Hessian's eigenvalue of largest magnitude, by power iteration (von Mises & Pollaczek-Geiringer 1929, ZAMM 9(2), <https://doi.org/10.1002/zamm.19290090206>).

    $$v \leftarrow \frac{H v}{\lVert H v \rVert} \qquad \lambda = v^\top H v
    \qquad \text{until } \lVert H v - \lambda v \rVert \le \tau\, |\lambda|$$

    Each product costs two to two and a half gradients. One from a random start says little; a call that starts from
    the last one's vector, a few training steps before, often needs one or two, and the residual tells when that was not
    enough. The value is negative where the most negative curvature outweighs the most positive; where the two are
    nearly equal the residual stays large. `lanczos` tells both ends apart.

    Args:
        loss_fn: (params, batch) -> (), the loss.
        params: a pytree of real floating-point arrays; the tolerance cannot be below the rounding of their dtype.
        batch: what the loss is taken on.
        vector: where to start, a tree as `params`, not zero; its length does not matter.
        iterations: the most products to make, 1 or more.
        tolerance: tau, the residual at which to stop.
        preconditioner: P, a tree as `params` of positive arrays: the eigenvalue is then that of $P^{-1} H$, computed
            from the symmetric $P^{-1/2} H P^{-1/2}$, whose eigenvector `vector` is. `adam_preconditioner` gives Adam's.

    Returns:
        A `TopEigenvalue`. All of it is NaN where the loss's second derivatives are, but for the vector.

    Raises:
        ValueError: naming the first leaf where two trees differ, or where fewer than one product is allowed.
    """
    check_params(params, "top_eigenvalue")
    check_alike("top_eigenvalue", params=params, vector=vector)
    if isinstance(iterations, int) and iterations < 1:
        raise ValueError(f"top_eigenvalue needs iterations >= 1, and was given iterations={iterations}")
    if preconditioner is not None:
        check_alike("top_eigenvalue", params=params, preconditioner=preconditioner)

    def scaled(v: Tree) -> Tree:
        if preconditioner is None:
            return v
        return jax.tree.map(lambda x, P: (x / jnp.sqrt(P)).astype(x.dtype), v, preconditioner)

    def product(v: Tree) -> tuple[Tree, Array, Array]:
        w = scaled(hessian_vector_product(loss_fn, params, scaled(v), batch))
        value = tree_dot(v, w)
        distance = tree_norm(tree_sub(w, tree_scale(value, v)))
        # Exactly 0 where H v = 0: v is then an eigenvector, of eigenvalue 0.
        return w, value, jnp.where(tree_norm(w) == 0, 0, distance / jnp.abs(value))

    def again(state: tuple) -> Array:
        _, _, _, residual, products = state
        return (residual > tolerance) & (products < iterations)

    def step(state: tuple) -> tuple:
        v, w, _, _, products = state
        v = _unit(w, v)
        return v, *product(v), products + 1

    start = jax.tree.map(lambda p, x: jnp.asarray(x, jnp.result_type(p)), params, vector)
    start = tree_scale(1 / tree_norm(start), start)
    first = (start, *product(start), jnp.ones((), jnp.int32))
    v, w, value, residual, products = lax.while_loop(again, step, first)
    return TopEigenvalue(value, _unit(w, v), residual, products)


def _unit(w: Tree, otherwise: Tree) -> Tree:
    """w / |w|, or the other tree where that is no direction: one bad batch must not spoil all later starts."""
    norm = tree_norm(w)
    good = (norm > 0) & jnp.isfinite(norm)
    return jax.tree.map(lambda x, y: jnp.where(good, x, y), tree_scale(1 / norm, w), otherwise)
