"""Derivatives without differentiation: by differences of values, and by a complex step."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, check_params, tree_dot, tree_norm
from ._analytic import check_analytic
from ._given import as_direction, scalar, widened
from ._stencil import STENCILS, difference, values_at

Method = Literal["central", "forward", "richardson", "complex"]


class FiniteDifference(NamedTuple):
    """A derivative along a direction.

    Attributes:
        value: (), in units of f where the direction is in units of p.
        error: (), an estimate of how far the value is off, in its units.
        step: (), h.
    """

    value: Array
    error: Array
    step: Array


def finite_difference(
    f: Callable[..., Array],
    params: Tree,
    direction: Tree | None = None,
    *args: Any,
    method: Method = "central",
    step: Any = None,
) -> FiniteDifference:
    r"""The derivative of f along v from values of f alone, with an estimate of its error.

    $$\begin{aligned}
    \text{forward} \quad & \frac{f(p + h v) - f(p)}{h} && + O(h) \\
    \text{central} \quad & D(h) = \frac{f(p + h v) - f(p - h v)}{2 h} && + O(h^2) \\
    \text{richardson} \quad & \tfrac13 \big( 4 D(h) - D(2h) \big) && + O(h^4) \\
    \text{complex} \quad & \operatorname{Im} f(p + i h v) / h && + O(h^2)
    \end{aligned}$$

    (Richardson 1911, Phil. Trans. R. Soc. A 210, <https://doi.org/10.1098/rsta.1911.0009>; complex: Squire & Trapp 1998, SIAM
    Rev. 40(1), <https://doi.org/10.1137/S003614459631241X>.) A small step loses digits in the difference, about eps f / h of
    them; a large one is off by h to the power k of the formula. The two are equal near $h = \epsilon^{1/(k+1)} s$, where s is the
    distance over which f changes: taken as the size of p along v, and at least 1. The complex step subtracts nothing: it
    is 1e-20 s, and the derivative exact to rounding.

    The error is what the formula with twice the step says of the one with one, and the noise of f's values over h, which is
    measured. That takes nine values of f. The complex step takes one.

    Args:
        f: (params, *args) -> (), as a loss (params, batch) -> (). For "complex" made of analytic functions.
        params: p, a pytree of real floating-point arrays; in float64 where x64 is on and f takes it, else in at least
            float32.
        direction: v, a tree as `params` in structure and shapes; None for 1, where p is one number.
        *args: what else f takes: the batch.
        method: one of the four.
        step: h > 0, in units of p over v; None for the above.

    Returns:
        A `FiniteDifference`. The error is NaN where f is not finite near p.

    Raises:
        ValueError: naming the first leaf where `params` and the direction differ; where there is no direction and more than
            one number, where f is no real scalar, or takes no complex numbers where it must.
    """
    check_params(params, "finite_difference")
    if method != "complex" and method not in STENCILS:
        raise ValueError(
            f"finite_difference needs method 'forward', 'central', 'richardson' or 'complex', and was given {method!r}"
        )
    if isinstance(step, (int, float)) and not step > 0:
        raise ValueError(f"finite_difference needs step > 0, and was given step={step}")
    params, args = widened(f, params, args)
    v = as_direction("finite_difference", params, _one(params) if direction is None else direction, "direction")
    size = _size(params, v)
    # The widest of p's precisions, which the steps along it are in.
    eps = jnp.finfo(size.dtype).eps
    if method == "complex":
        line = lambda t: f(jax.tree.map(lambda p, v: p + 1j * (t * v).astype(p.dtype), params, v), *args)  # noqa: E731
        h = jnp.asarray(1e-20 * size if step is None else step, size.dtype)
        check_analytic(line, h)
        value = jnp.imag(line(h)) / h
        return FiniteDifference(value, eps * jnp.abs(value), h)
    stencil = STENCILS[method]
    h = jnp.asarray(eps ** (1 / (stencil.order + 1)) * size if step is None else step, size.dtype)
    one = scalar("finite_difference", f)
    line = lambda t: one(jax.tree.map(lambda p, v: p + (t * v).astype(p.dtype), params, v), *args)  # noqa: E731
    found = difference(values_at(line, h, stencil), h, stencil)
    rounding = sum(map(abs, stencil.weights.values())) * found.noise / h
    return FiniteDifference(found.value, found.truncation + rounding, h)


def _one(params: Tree) -> Tree:
    leaves, structure = jax.tree.flatten(params)
    if len(leaves) > 1 or jnp.shape(leaves[0]) != ():
        raise ValueError("finite_difference needs a direction where the parameters are more than one number")
    return structure.unflatten([1.0])


def _size(params: Tree, v: Tree) -> Array:
    """The size of p along v and at least 1, in lengths of v."""
    norm = tree_norm(v)
    norm = jnp.where(norm > 0, norm, 1)
    return jnp.maximum(1, jnp.abs(tree_dot(params, v)) / norm) / norm
