from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, check_params, path_name, tree_norm
from ._factor import clip_factor
from ._global_norm import ClipByGlobalNorm


def clip_per_example(
    grads: Tree, max_norm: Any, reduce: Literal["mean", "sum"] = "mean", eps: Any = 0.0
) -> tuple[Tree, Array]:
    r"""Clips each example's gradient by its global norm and averages them (Abadi et al. 2016, CCS, <https://arxiv.org/abs/1607.00133>, Algorithm 1).

    $$\bar g = \frac1n \sum_{i=1}^n \min\!\Big(1, \frac{c}{\lVert g_i \rVert + \epsilon}\Big)\, g_i$$

    No example then moves the mean by more than c / n: the bound under differential privacy, to which noise has yet to be
    added. A function and not a rule, since what it returns has not the shape that it was given.

    Args:
        grads: a pytree of real floating-point arrays, each (n, ...) with one entry an example.
        max_norm: c >= 0, in units of the gradient: the most that one example's norm may be.
        reduce: "mean" over the examples, or their "sum" as `optax.per_example_global_norm_clip`.
        eps: epsilon >= 0, in units of the gradient.

    Returns:
        (clipped, norms): the mean or sum, without the leading axis; the norms before clipping, (n,).

    Raises:
        ValueError: where a number is negative or not finite, `reduce` is unknown, or naming a leaf that has not the
            leading axis of the others.
    """
    ClipByGlobalNorm(max_norm, eps)  # checks the numbers
    if reduce not in ("mean", "sum"):
        raise ValueError(f"clip_per_example needs reduce to be 'mean' or 'sum', and was given reduce={reduce!r}")
    n = _examples(grads)
    norms = jax.vmap(tree_norm)(grads)
    weights = clip_factor(norms, max_norm, eps) / (n if reduce == "mean" else 1)
    combine = lambda g: jnp.tensordot(weights, g, axes=1).astype(g.dtype)  # noqa: E731
    return jax.tree.map(combine, jax.tree.map(jnp.asarray, grads)), norms


def per_example_grad(
    loss: Callable[..., Array], max_norm: Any, reduce: Literal["mean", "sum"] = "mean", eps: Any = 0.0
) -> Callable[..., tuple[Tree, Array]]:
    """A function that returns the clipped per-example gradient of `loss`, as `clip_per_example` combines it.

    `per_example_grad(loss, 1.0)(params, x, y)` with x (n, ...) and y (n, ...) takes the gradient of `loss(params, x_i, y_i)`
    for every i; all n gradients are in memory at once.

    Args:
        loss: (params, *example) -> (), the loss of one example.
        max_norm: c >= 0, in units of the gradient.
        reduce: "mean" or "sum" over the examples.
        eps: epsilon >= 0, in units of the gradient.

    Returns:
        (params, *batch) -> (clipped, norms), where every leaf of `batch` has a leading axis of examples.

    Raises:
        ValueError: as `clip_per_example`, when the function is called.
    """

    def grad(params: Tree, *batch: Any) -> tuple[Tree, Array]:
        grads = jax.vmap(jax.grad(loss), in_axes=(None, *(0 for _ in batch)))(params, *batch)
        return clip_per_example(grads, max_norm, reduce, eps)

    return grad


def _examples(grads: Tree) -> int:
    """The length of the leading axis that all leaves share."""
    check_params(grads, "clip_per_example")
    (first_path, first), *_ = leaves = jax.tree_util.tree_leaves_with_path(grads)
    for path, leaf in leaves:
        if jnp.ndim(leaf) == 0 or jnp.shape(leaf)[0] == 0 or jnp.shape(leaf)[0] != jnp.shape(first)[0]:
            raise ValueError(
                f"clip_per_example needs one leading axis of examples on every leaf, and was given shape "
                f"{jnp.shape(leaf)} at {path_name(path)!r} beside {jnp.shape(first)} at {path_name(first_path)!r}"
            )
    return jnp.shape(first)[0]
