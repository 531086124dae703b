"""Directions in which to look at a loss: random ones that are fair, and those that a run took."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from ..core import Tree, check_alike, check_params, path_name, safe_norm, tree_size, wide

UnitAxis = Literal["last", "first"]


def filter_normalise(
    direction: Tree, params: Tree, unit_axis: UnitAxis = "last", stacked: Mapping[str, int] | None = None
) -> Tree:
    r"""A direction whose filters are as long as the parameters' (Li, Xu, Taylor, Studer & Goldstein 2018, NeurIPS, section 4, <https://arxiv.org/abs/1712.09913>).

    $$d_{ij} \leftarrow \frac{d_{ij}}{\lVert d_{ij} \rVert} \lVert \theta_{ij} \rVert
    \qquad \text{filter } j \text{ of layer } i$$

    A filter is what feeds one output. Biases and whatever else has one number an output are 0. A relu network whose
    layer is multiplied by c, and the next one divided, is the same function: in this direction its picture is too.

    Args:
        direction: d, a pytree as `params`.
        params: theta, a pytree of real floating-point arrays.
        unit_axis: where an array's outputs lie: "last", kernels (in, out) and (height, width, in, out) as in Flax;
            "first", weights (out, in) and (out, in, height, width) as in PyTorch.
        stacked: how many leading axes count layers, by a pattern of the leaf's path, as in `by_path`: {"hidden*": 1} for
            `gdfunc.models.mlp` and `conv_net`, {"blocks*": 1} for `transformer`, {"hidden*": 2} for `residual`; {} where
            none do. None asks for it where a leaf has 3 or 5 axes, and takes others for single layers.

    Returns:
        The direction, a tree as `params`; 0 where a filter of either is.

    Raises:
        ValueError: naming the first leaf where the two trees differ, or that may be a stack where `stacked` does not say;
            where `unit_axis` is neither.
    """
    who = "filter_normalise"
    check_params(params, who)
    check_alike(who, params=params, direction=direction)
    if unit_axis not in ("last", "first"):
        raise ValueError(f"{who} needs unit_axis to be 'last' or 'first', and was given {unit_axis!r}")

    def scaled(path: tuple, theta: Array, d: Array) -> Array:
        theta, d = jnp.asarray(theta), jnp.asarray(d)
        layers = _layer_axes(who, path_name(path), theta.shape, stacked)
        axes = tuple(range(layers, theta.ndim - 1) if unit_axis == "last" else range(layers + 1, theta.ndim))
        if not axes:
            return jnp.zeros_like(theta)
        norm, wanted = (safe_norm(wide(each), axis=axes, keepdims=True) for each in (d, theta))
        return (wide(d) / jnp.where(norm == 0, 1, norm) * wanted).astype(theta.dtype)

    return jax.tree_util.tree_map_with_path(scaled, params, direction)


def _layer_axes(who: str, path: str, shape: tuple[int, ...], stacked: Mapping[str, int] | None) -> int:
    if stacked is not None:
        return next((axes for pattern, axes in stacked.items() if fnmatchcase(path, pattern)), 0)
    # Layers of (in, out) or of (height, width, in, out), or a convolution in 1 or 3 dimensions.
    if len(shape) in (3, 5):
        raise ValueError(
            f"{who} needs to know whether the leading axis of {shape} at {path!r} counts layers: give "
            f'stacked={{"{path}": 1}}, or stacked={{}} if it does not'
        )
    return 0


def random_directions(
    key: Array, params: Tree, unit_axis: UnitAxis = "last", stacked: Mapping[str, int] | None = None
) -> tuple[Tree, Tree]:
    r"""Two Gaussian directions, filter-normalised: the axes of `landscape_plane` (Li, Xu, Taylor, Studer & Goldstein 2018, NeurIPS, section 4, <https://arxiv.org/abs/1712.09913>).

    In many dimensions two of them are nearly at right angles.

    Args:
        key: a JAX key.
        params: a pytree of real floating-point arrays.
        unit_axis: where an array's outputs lie; see `filter_normalise`.
        stacked: how many leading axes count layers; see there.

    Returns:
        (x, y), trees as `params`, each of about its length.

    Raises:
        ValueError: as `filter_normalise`.
    """
    check_params(params, "random_directions")
    flat, unravel = ravel_pytree(params)
    x, y = jax.random.normal(key, (2, flat.size), flat.dtype)
    return tuple(filter_normalise(unravel(d), params, unit_axis, stacked) for d in (x, y))  # pyright: ignore[reportReturnType]


class PrincipalDirections(NamedTuple):
    """The plane that a run stays nearest to.

    Attributes:
        x: a tree as the parameters, of norm 1: the direction of most variance.
        y: the second, at a right angle.
        shares: (2,), the share of the path's variance along each.
        path: (steps + 1, 2), where the run was, in the parameters' own units; it ends at (0, 0).
    """

    x: Tree
    y: Tree
    shares: np.ndarray
    path: np.ndarray

    def grid(self, points: int = 41, margin: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates that hold the path, (points,) along each direction, with a margin in shares of its extent."""
        low, high = self.path.min(axis=0), self.path.max(axis=0)
        # A path nearly along one direction still needs a picture that is no sliver.
        room = margin * (high - low) + np.maximum(0, 0.4 * np.max(high - low) - (high - low)) / 2
        s, t = np.linspace(low - room, high + room, points).T
        return s, t


def principal_directions(path: Tree, params: Tree) -> PrincipalDirections:
    r"""The two directions along which a run varied most (Li, Xu, Taylor, Studer & Goldstein 2018, NeurIPS, section 7.2, <https://arxiv.org/abs/1712.09913>).

    $$M = [\theta_0 - \theta_n; \dots; \theta_{n-1} - \theta_n] = U \Sigma V^\top \text{ less its mean row}
    \qquad x, y = v_1, v_2 \qquad \text{share}_i = \sigma_i^2 / \textstyle\sum_j \sigma_j^2$$

    Even a random walk in many dimensions has 61 % of its variance along the first and 15 % along the second
    (Antognini & Sohl-Dickstein 2018, NeurIPS, <https://arxiv.org/abs/1806.08805>): high shares alone say little. `train` records
    a path, and these lines draw the loss around it:

        run = gd.train(loss_fn, params, data, rule, steps=300, measure=lambda params, *_: params)
        path = jax.tree.unflatten(jax.tree.structure(params), run.history.measured.values())
        found = gd.instruments.principal_directions(path, run.params)
        plane = gd.instruments.landscape_plane(loss_fn, run.params, data, found.x, found.y, found.grid())
        gd.report.save(gd.report.landscape(plane, found), "landscape")

    Runs on the host, in float64; costs n**2 times the parameters. For a long run record every few steps (`every`).

    Args:
        path: theta_0 ... theta_{n-1}, a tree as `params` with a leading axis (n, ...), n >= 3.
        params: theta_n, where the run ended.

    Returns:
        A `PrincipalDirections`; of either sign of a direction the one along which the run started above 0.

    Raises:
        ValueError: naming the leaf that is no such path; where there are fewer than 3 points or 2 parameters, the path
            is not finite, or never moves.
    """
    who = "principal_directions"
    check_params(params, who)
    check_alike(who, shapes=False, params=params, path=path)
    n = next(iter(np.shape(jax.tree.leaves(path)[0])), 0)
    for (where, leaf), p in zip(jax.tree_util.tree_leaves_with_path(path), jax.tree.leaves(params), strict=True):
        if np.shape(leaf) != (n, *np.shape(p)) or n < 3:
            raise ValueError(
                f"{who} needs a path of 3 or more points, (n, {', '.join(map(str, np.shape(p)))}) at "
                f"{path_name(where)!r}, and was given {np.shape(leaf)}"
            )
    if tree_size(params) < 2:
        raise ValueError(f"{who} needs 2 or more parameters, and was given {tree_size(params)}")
    end = np.concatenate([np.asarray(p, np.float64).ravel() for p in jax.tree.leaves(params)])
    M = np.concatenate([np.asarray(p, np.float64).reshape(n, -1) for p in jax.tree.leaves(path)], axis=1) - end
    centred = M - M.mean(axis=0)
    if not np.isfinite(M).all() or not np.abs(centred).max() > 0:
        raise ValueError(f"{who} needs a finite path that moves, and was given one that does not or is not")
    _, sigma, V = np.linalg.svd(centred, full_matrices=False)
    axes = V[:2] * np.where(V[:2] @ M[0] < 0, -1, 1)[:, None]
    flat, unravel = ravel_pytree(params)
    x, y = (unravel(jnp.asarray(axis, flat.dtype)) for axis in axes)
    return PrincipalDirections(x, y, (sigma**2 / np.sum(sigma**2))[:2], np.concatenate([M @ axes.T, np.zeros((1, 2))]))
