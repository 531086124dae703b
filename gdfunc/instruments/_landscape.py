"""The loss on a line or a plane of parameters."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..core import Tree, check_alike, check_params, trace_loss, wide
from ._lanczos import at_least_one


class LandscapeLine(NamedTuple):
    """The loss along a line.

    Attributes:
        at: (points,), s: 0 at the first end, 1 at the second.
        loss: (points,), in units of L.
    """

    at: Array
    loss: Array


class LandscapePlane(NamedTuple):
    """The loss on a plane.

    Attributes:
        x: (columns,), the first coordinate, in lengths of the first direction.
        y: (rows,), the second.
        loss: (rows, columns), in units of L, as `matplotlib.axes.Axes.contour` takes it.
    """

    x: Array
    y: Array
    loss: Array


def landscape_line(
    loss_fn: Callable[[Tree, Tree], Array],
    a: Tree,
    b: Tree,
    batch: Tree,
    points: int = 61,
    extend: float = 0.25,
    chunk: int = 16,
) -> LandscapeLine:
    r"""The loss along the line through two points (Goodfellow, Vinyals & Saxe 2015, ICLR, <https://arxiv.org/abs/1412.6544>).

    $$f(s) = L\big((1 - s)\, a + s\, b\big) \qquad -e \le s \le 1 + e$$

    From the start of a run to its end it is often smooth and falls, though the run did not go along it. Between two
    minima a hump is a barrier; none says only that this line has none. The defaults have s = 0 and s = 1 among the points.

    Args:
        loss_fn: (params, batch) -> (), the loss.
        a: the parameters at s = 0, a pytree of real floating-point arrays.
        b: those at s = 1, a tree as `a`.
        batch: what the loss is taken on.
        points: how many, evenly spaced, 1 or more.
        extend: e >= 0, how far to go beyond both ends, in lengths of b - a.
        chunk: how many losses are computed side by side, 1 or more: memory for so many copies of the parameters.

    Returns:
        A `LandscapeLine`; `report.landscape_lines` draws it.

    Raises:
        ValueError: where a count is below 1 or `extend` below 0; naming the first leaf where `a` and `b` differ.
    """
    who = "landscape_line"
    check_params(a, who)
    check_alike(who, a=a, b=b)
    at_least_one(who, points=points, chunk=chunk)
    if not (np.isfinite(extend) and extend >= 0):
        raise ValueError(f"{who} needs extend >= 0, and was given extend={extend}")
    trace_loss(who, loss_fn, a, batch)
    s = jnp.linspace(-extend, 1 + extend, points)
    return LandscapeLine(s, _losses(loss_fn, (a, b), jnp.stack([1 - s, s], axis=1), batch, chunk))


def landscape_plane(
    loss_fn: Callable[[Tree, Tree], Array],
    params: Tree,
    batch: Tree,
    x: Tree,
    y: Tree,
    grid: tuple[Array | np.ndarray, Array | np.ndarray],
    chunk: int = 16,
) -> LandscapePlane:
    r"""The loss on the plane through a point that two directions span (Li, Xu, Taylor, Studer & Goldstein 2018, NeurIPS, <https://arxiv.org/abs/1712.09913>).

    $$f(s, t) = L(p + s\, x + t\, y)$$

    How sharp it looks depends on the length of the directions: `random_directions` scales them filter by filter, so that
    pictures of two networks can be laid side by side; `principal_directions` follow a run.

    Args:
        loss_fn: (params, batch) -> (), the loss.
        params: p, a pytree of real floating-point arrays.
        batch: what the loss is taken on.
        x: a direction, a tree as `params`.
        y: another.
        grid: (s, t), (columns,) and (rows,): the coordinates along `x` and along `y`.
        chunk: how many losses are computed side by side, 1 or more: memory for so many copies of the parameters.

    Returns:
        A `LandscapePlane`; `report.landscape` draws it.

    Raises:
        ValueError: where `grid` is no pair of lists of numbers, or `chunk` below 1; naming the first leaf where the
            trees differ.
    """
    who = "landscape_plane"
    check_params(params, who)
    check_alike(who, params=params, x=x, y=y)
    at_least_one(who, chunk=chunk)
    if not (isinstance(grid, tuple) and [np.ndim(each) for each in grid] == [1, 1] and all(map(len, grid))):
        raise ValueError(f"{who} needs grid=(s, t), two lists of numbers, and was given {grid!r}")
    trace_loss(who, loss_fn, params, batch)
    s, t = (jnp.asarray(each, jnp.result_type(float)) for each in grid)
    rows, columns = jnp.meshgrid(t, s, indexing="ij")
    points = jnp.stack([jnp.ones_like(rows), columns, rows], axis=-1)
    losses = _losses(loss_fn, (params, x, y), points.reshape(-1, 3), batch, chunk)
    return LandscapePlane(s, t, losses.reshape(rows.shape))


@partial(jax.jit, static_argnames=("loss_fn", "chunk"))
def _losses(loss_fn: Callable, trees: tuple[Tree, ...], points: Array, batch: Tree, chunk: int) -> Array:
    """The loss of the sum of the trees, each times its coordinate: one number for each row of points (n, trees)."""

    def loss(point: Array) -> Array:
        def combined(*leaves: Array) -> Array:
            total = jnp.sum(jnp.stack([c * wide(jnp.asarray(x)) for c, x in zip(point, leaves, strict=True)]), axis=0)
            return total.astype(jnp.result_type(leaves[0]))

        return loss_fn(jax.tree.map(combined, *trees), batch)

    return lax.map(loss, points, batch_size=chunk)
