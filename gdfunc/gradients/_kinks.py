"""Where a function that is smooth in pieces has its edges, along a line."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, check_alike, check_params
from ._given import cast_like, scalar, widened


class Kinks(NamedTuple):
    """The kinks that were found, in order.

    Attributes:
        at: (k,), t in [0, 1], where the line is at (1 - t) a + t b.
        left: (k,), the slope before each, in units of f (t has none).
        right: (k,), the slope behind it.
    """

    at: Array
    left: Array
    right: Array


def kinks(f: Callable[..., Array], a: Tree, b: Tree, *args: Any, pieces: int = 256, least: float = 1e-4) -> Kinks:
    r"""Where the slope of f jumps on the way from a to b, as a relu network's does (Hanin & Rolnick 2019, ICML, <https://arxiv.org/abs/1901.09021>).

    $$\varphi(t) = f\big((1 - t)\, a + t\, b\big) \qquad \lim_{s \uparrow t} \varphi'(s) \ne \lim_{s \downarrow t} \varphi'(s)$$

    The way is cut into equal pieces, and each is halved again and again, to the half over which the slope changes more.
    Where it is smooth the change halves with the piece; at a kink it stays. So a kink is known to within the rounding of
    t. Of several kinks in one piece the largest is found; `pieces` should be several times what is expected.

    Args:
        f: (params, *args) -> (), continuous.
        a: where the way begins, a pytree of real floating-point arrays.
        b: where it ends, a tree as `a` in structure and shapes.
        *args: what else f takes: the batch.
        pieces: how many, 1 or more; each costs two slopes, and two or three dozen where something is halved.
        least: the smallest jump that counts, as a share of the largest slope.

    Returns:
        The `Kinks`. In float64 where x64 is on and f takes it, else in at least float32.

    Raises:
        ValueError: naming the first leaf where `a` and `b` differ, where `pieces` is below 1, or f is no real scalar.
    """
    check_params(a, "kinks")
    check_alike("kinks", a=a, b=b)
    if pieces < 1:
        raise ValueError(f"kinks needs pieces >= 1, and was given pieces={pieces}")
    a, args = widened(f, a, args)
    b = cast_like(a, b)
    one = scalar("kinks", f)
    precision = jnp.result_type(*jax.tree.leaves(a))

    def slope(t: Array) -> Array:
        at = lambda t: jax.tree.map(lambda a, b: ((1 - t) * a + t * b).astype(a.dtype), a, b)  # noqa: E731
        return jax.jvp(lambda t: one(at(t), *args), (t,), (jnp.ones_like(t),))[1]

    def halve(piece: tuple, _: None) -> tuple[tuple, None]:
        (low, left), (high, right) = piece
        middle = (low + high) / 2
        between = slope(middle)
        first = jnp.abs(between - left) >= jnp.abs(right - between)
        choose = lambda x, y: jnp.where(first, x, y)  # noqa: E731
        return ((choose(low, middle), choose(left, between)), (choose(middle, high), choose(between, right))), None

    halvings = max(0, -int(math.log2(float(jnp.finfo(precision).eps) * pieces)))

    @jax.jit
    def search(ends: Array) -> tuple:
        slopes = lax.map(slope, ends)
        start = (ends[:-1], slopes[:-1]), (ends[1:], slopes[1:])
        return slopes, lax.map(lambda piece: lax.scan(halve, piece, None, halvings)[0], start)

    # A kink is rarely where two pieces meet, if that is no round number: AD's slope at it is neither side's.
    inner = (jnp.arange(1, pieces) - 0.381966) / pieces
    ends = jnp.concatenate([jnp.zeros(1), inner, jnp.ones(1)]).astype(precision)
    slopes, ((low, left), (high, right)) = search(ends)
    found = jnp.abs(right - left) > least * jnp.max(jnp.abs(slopes))
    return Kinks(((low + high) / 2)[found], left[found], right[found])
