"""Derivatives of a solution by the implicit function theorem, whatever found it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.sparse.linalg import cg, gmres

from ..core import Tree, tree_norm, tree_sub

Linear = Callable[[Tree], Tree]
# (the function, where to start) -> (the solution, (residual, iterations)).
Solver = Callable[[Callable[[Tree], Tree], Tree], tuple[Tree, tuple[Array, Array]]]


class Solution(NamedTuple):
    """What an iteration came to.

    Attributes:
        value: z, a tree as the start; its derivatives by the arguments are those of the exact solution, and NaN where the
            iteration, or the linear system of the derivatives, did not converge.
        residual: (), how far it is from solving the equation, in units of that.
        iterations: () int32.
        converged: () bool, whether the residual is within the tolerance.
    """

    value: Tree
    residual: Array
    iterations: Array
    converged: Array


def implicit(F: Callable[[Tree], Tree], start: Tree, solver: Solver, tolerance: Array, symmetric: bool) -> Solution:
    r"""A root of F with its derivatives, forward and reverse.

    $$F(z, \theta) = 0 \quad \Rightarrow \quad
    \frac{\partial z}{\partial \theta} = - \Big(\frac{\partial F}{\partial z}\Big)^{-1} \frac{\partial F}{\partial \theta}$$

    Args:
        F: z -> a tree as z; derivatives are taken by what it closes over.
        start: z.
        solver: what finds the root.
        tolerance: the residual that is small enough.
        symmetric: whether F's Jacobian is symmetric and positive definite.
    """
    tangent_solve = lambda J, y: lax.custom_linear_solve(  # noqa: E731
        J, y, lambda J, y: solve(J, y, symmetric), lambda J, y: solve(J, y, symmetric)
    )

    def in_floats(F: Callable[[Tree], Tree], start: Tree) -> tuple[Tree, tuple[Array, Array]]:
        z, (residual, iterations) = solver(F, start)
        return z, (residual, iterations.astype(residual.dtype))  # custom_root takes no tangent of an integer

    z, (residual, iterations) = lax.custom_root(F, start, in_floats, tangent_solve, has_aux=True)
    converged = residual <= tolerance
    return Solution(_with_derivative_if(converged, z), residual, iterations.astype(jnp.int32), converged)


def solve(A: Linear, y: Tree, symmetric: bool) -> Tree:
    """x with A x = y by conjugate gradients or GMRES; NaN where they do not come to half of the digits."""
    eps = float(jnp.finfo(jnp.result_type(*jax.tree.leaves(y))).eps)
    x = (cg if symmetric else gmres)(A, y, tol=eps**0.75)[0]
    good = tree_norm(tree_sub(A(x), y)) <= eps**0.5 * tree_norm(y)
    return jax.tree.map(lambda x: jnp.where(good, x, jnp.nan), x)


@jax.custom_jvp
def _with_derivative_if(good: Array, z: Tree) -> Tree:
    return z


@_with_derivative_if.defjvp
def _with_derivative_if_jvp(primals: tuple, tangents: tuple) -> tuple[Tree, Tree]:
    (good, z), (_, dz) = primals, tangents
    factor = jnp.where(good, 1.0, jnp.nan)  # a factor, so that it is linear in dz and can be transposed
    return z, jax.tree.map(lambda d: d * factor.astype(d.dtype), dz)
