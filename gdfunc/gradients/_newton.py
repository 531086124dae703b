"""Newton's method that needs no matrix, and never climbs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, tree_add, tree_dot, tree_norm, tree_scale
from ._implicit import Solver, solve

_SHORTEST = 2.0**-30  # of a step
_ENOUGH = 1e-4  # of the fall that the slope promises


def newton(merit: Callable[[Tree], Array], tolerance: Array, iterations: int, symmetric: bool) -> Solver:
    r"""Newton's method with Krylov steps and backtracking (Dembo, Eisenstat & Steihaug 1982, SIAM J. Numer. Anal. 19(2), <https://doi.org/10.1137/0719025>).

    $$J(z)\, d = -F(z) \qquad z \leftarrow z + \alpha d$$

    alpha is halved from 1 until the merit falls by a ten-thousandth of what its slope promises (Armijo 1966). Where d
    promises no fall, or no solution of the linear system is found, d is the merit's steepest descent.

    Args:
        merit: z -> (), what has to fall.
        tolerance: the norm of F at which to stop.
        iterations: the most steps.
        symmetric: whether F's Jacobian is.
    """

    def solver(F: Callable[[Tree], Tree], start: Tree) -> tuple[Tree, tuple[Array, Array]]:
        def step(state: tuple) -> tuple:
            z, _, count, _ = state
            value, J = jax.linearize(F, z)
            d = solve(J, tree_scale(-1.0, value), symmetric)
            steepest = tree_scale(-1.0, jax.grad(merit)(z))
            falls = tree_dot(steepest, d) > 0  # not where it is NaN
            d = jax.tree.map(lambda d, other: jnp.where(falls, d, other), d, steepest)
            promised = -tree_dot(steepest, d)
            m = merit(z)
            rounding = 4 * jnp.finfo(m.dtype).eps * jnp.abs(m)
            # Not `>`, for NaN is no fall.
            bad = lambda a: ~(merit(_moved(z, a, d)) <= m + _ENOUGH * a * promised + rounding)  # noqa: E731
            a = lax.while_loop(lambda a: bad(a) & (a > _SHORTEST), lambda a: a / 2, jnp.ones((), m.dtype))
            moves = a > _SHORTEST
            z = _moved(z, jnp.where(moves, a, 0), d)
            return z, tree_norm(F(z)), count + 1, moves

        def again(state: tuple) -> Array:
            _, residual, count, moves = state
            return (residual > tolerance) & (count < iterations) & moves

        first = start, tree_norm(F(start)), jnp.zeros((), jnp.int32), jnp.asarray(True)
        z, residual, count, _ = lax.while_loop(again, step, first)
        return z, (residual, count)

    return solver


def _moved(z: Tree, a: Array, d: Tree) -> Tree:
    return tree_add(z, tree_scale(a, d))
