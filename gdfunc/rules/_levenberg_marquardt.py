from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, check_params, tree_add, tree_dot, tree_map, tree_norm
from ._conjugate_gradients import minimize_model, plus
from ._trust_region_newton import gain
from ._whole_tree import scalar_like


class LeastSquares(NamedTuple):
    """What `levenberg_marquardt` came to.

    Attributes:
        params: a tree as the start.
        value: (), half the sum of squared residuals there.
        slope: (), the norm of its gradient there.
        damping: (), the last mu.
        iterations: () int32, the steps tried.
        converged: () bool, whether the slope is within the tolerance.
    """

    params: Tree
    value: Array
    slope: Array
    damping: Array
    iterations: Array
    converged: Array


def levenberg_marquardt(
    residual_fn: Callable[[Tree], Tree],
    params: Tree,
    *,
    damping: float = 1e-3,
    tolerance: float = 1e-5,
    steps: int = 100,
    cg_steps: int = 50,
) -> LeastSquares:
    r"""Least squares by steps between Gauss and Newton's and the gradient's (Marquardt 1963, Journal of the Society for Industrial and Applied Mathematics 11(2), <https://doi.org/10.1137/0111030>).

    $$\begin{aligned}
    F(p) &= \tfrac12 \lVert r(p) \rVert^2 \qquad J = \partial r / \partial p \qquad
        (J^\top J + \mu I)\, z = -J^\top r(p) \\
    \rho &= \frac{F(p) - F(p + z)}{\tfrac12 \lVert r(p) \rVert^2 - \tfrac12 \lVert r(p) + J z \rVert^2} \\
    p, \mu, \nu &\leftarrow \begin{cases}
        p + z,\quad \mu \max\{\tfrac13,\ 1 - (2 \rho - 1)^3\},\quad 2 & \rho > 0 \\
        p,\quad \mu \nu,\quad 2 \nu & \text{otherwise}
    \end{cases}
    \end{aligned}$$

    The damping follows Nielsen 1999 (report IMM-REP-1999-05, DTU), and the system is solved by conjugate gradients, with
    products in place of J. F never rises. It is no update rule, as a rule is given a loss and not the residuals that it is
    made of. It runs under jit and vmap; reverse-mode derivatives do not go through it.

    Args:
        residual_fn: params -> r, a pytree of real arrays: predictions less targets, in any unit.
        params: where to begin, a pytree of real floating-point arrays.
        damping: mu_0 >= 0, in units of r squared per p squared: large is a gradient step at a rate of 1 / mu_0; 0 stays 0,
            which is the method of Gauss and Newton.
        tolerance: >= 0, without unit: stops where the norm of J' r is at most this share of the first.
        steps: the most steps tried, >= 1.
        cg_steps: the most iterations within a step, >= 1: as many as there are parameters solve the system, up to rounding.

    Returns:
        A `LeastSquares`.

    Raises:
        ValueError: where an argument leaves its range, or naming a leaf of params or residuals that is no real array.
    """
    who = "levenberg_marquardt"
    for name, number, least in (
        ("damping", damping, 0),
        ("tolerance", tolerance, 0),
        ("steps", steps, 1),
        ("cg_steps", cg_steps, 1),
    ):
        if not number >= least:
            raise ValueError(f"{who} needs {name} >= {least}, and was given {name}={number}")
    check_params(params, who)
    params = jax.tree.map(jnp.asarray, params)
    check_params(jax.eval_shape(residual_fn, params), f"{who} (of residual_fn's outputs)")

    def slope(p: Tree) -> Array:
        r, pull = jax.vjp(residual_fn, p)
        return tree_norm(pull(r)[0])

    def step(state: tuple) -> tuple:
        p, mu, nu, _, count = state
        r, J = jax.linearize(residual_fn, p)
        transposed = jax.linear_transpose(J, p)
        times = lambda v: plus(transposed(J(v))[0], mu, v)  # noqa: E731
        z = minimize_model(transposed(r)[0], times, jnp.zeros_like(mu), cg_steps).z
        predicted = _half_square(r) - _half_square(tree_add(r, J(z)))
        rho = gain(_half_square(r) - _half_square(residual_fn(tree_add(p, z))), predicted)
        good = rho > 0  # not where it is NaN
        p = tree_map(lambda p, z: jnp.where(good, p + z, p), p, z)
        mu = mu * jnp.where(good, jnp.maximum(1 / 3, 1 - (2 * rho - 1) ** 3), nu)
        nu = jnp.where(good, 2, 2 * nu)
        return p, mu.astype(state[1].dtype), nu.astype(state[2].dtype), slope(p), count + 1

    first = slope(params)
    enough = tolerance * first
    start = params, scalar_like(params, damping), scalar_like(params, 2.0), first, jnp.zeros((), jnp.int32)
    p, mu, _, last, count = lax.while_loop(lambda state: (state[3] > enough) & (state[4] < steps), step, start)
    return LeastSquares(p, _half_square(residual_fn(p)), last, mu, count, last <= enough)


def _half_square(r: Tree) -> Array:
    return tree_dot(r, r) / 2
