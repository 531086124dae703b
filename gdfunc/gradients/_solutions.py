"""Fixed points, roots and minima as functions of the arguments, to be differentiated."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, check_alike, check_params, tree_dot, tree_norm, tree_sub
from ._given import scalar
from ._implicit import Solution, implicit
from ._newton import newton


def fixed_point(
    f: Callable[..., Tree], start: Tree, *args: Any, tolerance: float | None = None, iterations: int = 1000
) -> Solution:
    r"""z = f(z, *args) by iteration, differentiable by the arguments without the iterations (Bai, Kolter & Koltun 2019, NeurIPS, <https://arxiv.org/abs/1909.01377>).

    $$z^* = f(z^*, \theta) \qquad
    \frac{\partial z^*}{\partial \theta} = \Big(I - \frac{\partial f}{\partial z}\Big)^{-1} \frac{\partial f}{\partial \theta}$$

    Forward and reverse mode; memory for one application of f, however many there were. It converges where f brings points
    nearer to each other. The linear system is solved by GMRES.

    Args:
        f: (z, *args) -> a tree as z.
        start: z, a pytree of real floating-point arrays.
        *args: theta: what f takes, and derivatives are wanted for. The derivative by `start` is 0.
        tolerance: the norm of f(z) - z at which to stop; None for eps**(3/4) times that at the start and at least 1.
        iterations: the most applications of f.

    Returns:
        A `Solution`.

    Raises:
        ValueError: where a leaf is no real floating-point array, or naming the first leaf where f(z) and z differ.
    """
    F, start = _equation("fixed_point", lambda z: tree_sub(f(z, *args), z), lambda z: f(z, *args), start)
    small = _tolerance(F, start, tolerance)

    def iterate(F: Callable[[Tree], Tree], start: Tree) -> tuple[Tree, tuple[Array, Array]]:
        def step(state: tuple) -> tuple:
            z, change, _, count = state
            z = jax.tree.map(jnp.add, z, change)
            change = F(z)
            return z, change, tree_norm(change), count + 1

        def again(state: tuple) -> Array:
            *_, residual, count = state
            return (residual > small) & (count < iterations)  # not where it is NaN

        first = F(start)
        z, _, residual, count = lax.while_loop(again, step, (start, first, tree_norm(first), jnp.zeros((), jnp.int32)))
        return z, (residual, count)

    return implicit(F, start, iterate, small, symmetric=False)


def root(
    f: Callable[..., Tree], start: Tree, *args: Any, tolerance: float | None = None, iterations: int = 100
) -> Solution:
    r"""f(z, *args) = 0 by Newton's method, differentiable by the arguments.

    $$f(z^*, \theta) = 0 \qquad
    \frac{\partial z^*}{\partial \theta} = -\Big(\frac{\partial f}{\partial z}\Big)^{-1} \frac{\partial f}{\partial \theta}$$

    Newton's steps are found by GMRES and shortened until the norm of f falls.

    Args:
        f: (z, *args) -> a tree as z.
        start: z, a pytree of real floating-point arrays.
        *args: theta: what f takes, and derivatives are wanted for. The derivative by `start` is 0.
        tolerance: the norm of f at which to stop; None for eps**(3/4) times that at the start and at least 1.
        iterations: the most steps.

    Returns:
        A `Solution`; not converged where the norm of f has a minimum that is no root.

    Raises:
        ValueError: where a leaf is no real floating-point array, or naming the first leaf where f(z) and z differ.
    """
    F, start = _equation("root", lambda z: f(z, *args), lambda z: f(z, *args), start)
    small = _tolerance(F, start, tolerance)
    merit = lambda z: tree_dot(F(z), F(z)) / 2  # noqa: E731
    solver = newton(merit, small, iterations, symmetric=False)
    return implicit(F, start, solver, small, symmetric=False)


def argmin(
    f: Callable[..., Array], start: Tree, *args: Any, tolerance: float | None = None, iterations: int = 100
) -> Solution:
    r"""The z at which f(z, *args) is least, differentiable by the arguments (Gould et al. 2016, <https://arxiv.org/abs/1607.05447>).

    $$\nabla_z f(z^*, \theta) = 0 \qquad
    \frac{\partial z^*}{\partial \theta} = -\big(\nabla_z^2 f\big)^{-1} \frac{\partial\, \nabla_z f}{\partial \theta}$$

    Newton's steps are found by conjugate gradients and shortened until f falls. For the weights of an inner training
    loop, theta the data or a regularisation.

    Args:
        f: (z, *args) -> (), with a positive definite Hessian at the minimum.
        start: z, a pytree of real floating-point arrays.
        *args: theta: what f takes, and derivatives are wanted for. The derivative by `start` is 0.
        tolerance: the gradient's norm at which to stop; None for eps**(3/4) times that at the start and at least 1.
        iterations: the most steps.

    Returns:
        A `Solution`: of several minima, one near the start.

    Raises:
        ValueError: where a leaf is no real floating-point array, or f is no real scalar.
    """
    value = lambda z: scalar("argmin", f)(z, *args)  # noqa: E731
    F, start = _equation("argmin", jax.grad(value), jax.grad(value), start)
    small = _tolerance(F, start, tolerance)
    return implicit(F, start, newton(value, small, iterations, symmetric=True), small, symmetric=True)


def _equation(
    who: str, F: Callable[[Tree], Tree], gives: Callable[[Tree], Tree], start: Tree
) -> tuple[Callable[[Tree], Tree], Tree]:
    """(F, the start as arrays of a dtype of their own), once what f gives is alike."""
    check_params(start, who)
    start = jax.tree.map(lambda z: jnp.asarray(z, jnp.result_type(z)), start)
    check_alike(who, **{"z": start, "f(z)": jax.eval_shape(gives, start)})
    return F, start


def _tolerance(F: Callable[[Tree], Tree], start: Tree, given: float | None) -> Array:
    eps = float(jnp.finfo(jnp.result_type(*jax.tree.leaves(start))).eps)
    relative = eps**0.75 * jnp.maximum(1, tree_norm(F(start)))
    return lax.stop_gradient(relative if given is None else jnp.asarray(given, relative.dtype))
