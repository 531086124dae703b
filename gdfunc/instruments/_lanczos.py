"""Eigenvalues of a large symmetric matrix from products with it."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from ..core import Tree, check_params, wide


class Lanczos(NamedTuple):
    """What k steps of Lanczos's method have found.

    Attributes:
        values: (k,) ascending, the Ritz values; those at both ends are the matrix's own soonest. Steps past the end of
            the space add zeros, of weight 0.
        weights: (k,), the share of the start's squared length along each Ritz vector; they sum to 1.
        errors: (k,), bounds: some eigenvalue lies within this distance of the Ritz value.
        basis: (k, n), orthonormal rows, zeros past the end of the space.
        vectors: (k, k), column j the j-th Ritz vector in that basis.
    """

    values: Array
    weights: Array
    errors: Array
    basis: Array
    vectors: Array


def lanczos(matvec: Callable[[Tree], Tree], start: Tree, steps: int) -> Lanczos:
    r"""Eigenvalues of a symmetric matrix from products with it (Lanczos 1950, J. Res. Natl. Bur. Stand. 45(4), <https://doi.org/10.6028/jres.045.026>).

    $$\beta_{j+1} q_{j+1} = A q_j - \alpha_j q_j - \beta_j q_{j-1} \qquad T = Q A Q^\top \text{ tridiagonal}$$

    Every new row is made orthogonal to all the others, twice: without that rounding brings found eigenvalues back as
    copies. Costs `steps` products, k**2 n for orthogonality, and memory for k copies of the vector.

    Args:
        matvec: v -> A v on trees as `start`, linear and symmetric, such as a Hessian-vector product.
        start: where to start, a pytree of real floating-point arrays, not zero, n entries in all.
        steps: k, 1 or more; more than n add nothing.

    Returns:
        A `Lanczos`, in at least float32.

    Raises:
        ValueError: where `steps` is below 1, or a leaf is no real floating-point array.
    """
    check_params(start, "lanczos")
    at_least_one("lanczos", steps=steps)
    flat, unravel = ravel_pytree(start)
    multiply = lambda q: wide(ravel_pytree(matvec(unravel(q.astype(flat.dtype))))[0])  # noqa: E731
    first = wide(flat) / jnp.linalg.norm(wide(flat))
    rounding = jnp.finfo(first.dtype).eps * flat.size**0.5

    def step(basis: Array, j: Array) -> tuple[Array, tuple[Array, Array]]:
        product = multiply(basis[j])
        w = product
        for _ in range(2):
            w = w - basis.T @ (basis @ w)
        beta = jnp.linalg.norm(w)
        # What is left is rounding: the space is exhausted, and a row made of it would be a spurious direction.
        ended = beta <= rounding * jnp.linalg.norm(product)
        beta = jnp.where(ended, 0, beta)
        row = jnp.where(ended, 0, w / beta)
        return basis.at[j + 1].set(row, mode="drop"), (basis[j] @ product, beta)

    empty = jnp.zeros((steps, flat.size), first.dtype).at[0].set(first)
    basis, (alpha, beta) = lax.scan(step, empty, jnp.arange(steps))
    T = jnp.diag(alpha) + jnp.diag(beta[:-1], 1) + jnp.diag(beta[:-1], -1)
    values, vectors = jnp.linalg.eigh(T)
    return Lanczos(values, vectors[0] ** 2, jnp.abs(beta[-1] * vectors[-1]), basis, vectors)


def at_least_one(who: str, **counts: int) -> None:
    """Raises ValueError where a count is below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{who} needs {name} >= 1, and was given {name}={count}")
