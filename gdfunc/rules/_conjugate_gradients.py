"""Conjugate gradients on the quadratic model of a loss: what Newton's methods go by, with products in place of a matrix."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, safe_sqrt, tree_dot, tree_map, tree_norm, tree_scale
from ._whole_tree import ratio, zeros_like


class ModelMinimum(NamedTuple):
    """Where the iteration ended."""

    z: Tree  # the step, in units of p
    r: Tree  # g + B z, the model's gradient there
    edge: Array  # () bool, whether it ended at the radius, or along a curvature that is not positive


class _State(NamedTuple):
    z: Tree
    r: Tree
    d: Tree  # the direction
    edge: Array
    done: Array


def curvature_product(grad_fn: Callable[[Tree], Tree], params: Tree, damping: Any = 0.0) -> Callable[[Tree], Tree]:
    r"""$v \mapsto (H + \lambda I) v$ with the Hessian of the loss (Pearlmutter 1994); about two gradients each time."""

    def times(v: Tree) -> Tree:
        hv = jax.jvp(grad_fn, (params,), (tree_map(lambda v, p: v.astype(p.dtype), v, params),))[1]
        return plus(tree_map(lambda h, x: h.astype(x.dtype), hv, v), damping, v)

    return times


def forcing(g: Tree, tolerance: Any, power: Any) -> Array:
    r"""$\min(\eta, \lVert g \rVert^q)\, \lVert g \rVert$, the residual at which to stop for convergence of order 1 + q."""
    norm = tree_norm(g)
    return jnp.minimum(tolerance, norm**power) * norm


def minimize_model(
    g: Tree, times: Callable[[Tree], Tree], enough: Array, steps: int, radius: Array | None = None
) -> ModelMinimum:
    r"""The minimum of $\langle g, z \rangle + \tfrac12 \langle z, B z \rangle$ for $\lVert z \rVert \le \Delta$, as far as it is needed (Steihaug 1983, SIAM J. Numer. Anal. 20(3), <https://doi.org/10.1137/0720042>).

    Where a direction's curvature is not positive, or its step would leave the radius, z goes along it to the edge and the
    iteration ends. With no radius z stays where it is then, or is -g where it has not begun (Nocedal & Wright 2006,
    algorithm 7.1).

    Args:
        g: the gradient.
        times: v -> B v.
        enough: the norm of g + B z at which to stop.
        steps: the most products.
        radius: Delta > 0, or None.
    """

    def advance(state: _State) -> _State:
        z, r, d, *_ = state
        bd = times(d)
        rr, dbd = tree_dot(r, r), tree_dot(d, bd)
        alpha = ratio(rr, dbd)
        if radius is None:
            edge = dbd <= 0
            limit = jnp.where(tree_dot(z, z) > 0, 0.0, 1.0)  # the first direction is -g
        else:
            edge = (dbd <= 0) | (tree_norm(plus(z, alpha, d)) >= radius)
            limit = _to_the_edge(z, d, radius)
        alpha = jnp.where(edge, limit, alpha).astype(rr.dtype)
        z, r = plus(z, alpha, d), plus(r, alpha, bd)
        d = plus(tree_scale(-1.0, r), ratio(tree_dot(r, r), rr), d)
        return _State(z, r, d, edge, edge | (tree_norm(r) <= enough))

    # What is left beyond is mostly rounding, which a singular B would magnify.
    norm = tree_norm(g)
    enough = jnp.maximum(enough, jnp.finfo(norm.dtype).eps ** 0.75 * norm)

    # Of a fixed length, because reverse-mode derivatives go through a scan and not through a while_loop.
    def body(state: _State, _: Any) -> tuple[_State, None]:
        return lax.cond(state.done, lambda state: state, advance, state), None

    start = _State(zeros_like(g), g, tree_scale(-1.0, g), jnp.array(False), norm <= enough)
    end = lax.scan(body, start, length=steps)[0]
    return ModelMinimum(end.z, end.r, end.edge)


def plus(a: Tree, scale: Any, b: Tree) -> Tree:
    """a + scale b, each leaf in its own dtype."""
    return tree_map(lambda a, b: (a + scale * b).astype(a.dtype), a, b)


def _to_the_edge(z: Tree, d: Tree, radius: Array) -> Array:
    """The positive root of |z + alpha d| = radius; in this form nothing cancels, as no angle between z and d is obtuse."""
    zd, dd, room = tree_dot(z, d), tree_dot(d, d), jnp.maximum(radius**2 - tree_dot(z, z), 0)
    return ratio(room, zd + safe_sqrt(zd**2 + dd * room))
