"""How much the examples of a batch disagree about the gradient, and what that says about the batch's size."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, check_alike, check_params, path_name, tree_dot, tree_norm


def example_gradient_norms(loss_fn: Callable[[Tree, Tree], Array], params: Tree, batch: Tree, chunk: int = 32) -> Array:
    r"""Each example's gradient norm, $\lVert g_i \rVert$ with $g_i = \nabla_p L(p, x_i)$, by taking every gradient.

    Works for any loss, at the price of n gradients of one example each: little more arithmetic than one of the whole
    batch, but without its large products, and much slower on most machines. Holds `chunk` gradients in memory.

    Args:
        loss_fn: (params, batch) -> (), a mean over examples; it is called on batches of one. Where it ties examples
            together (batch normalisation, contrast) the gradient of one alone is another quantity.
        params: p, a pytree of real floating-point arrays.
        batch: a pytree whose leaves share a leading axis of n examples.
        chunk: how many gradients are taken at once.

    Returns:
        (n,), in units of the gradient.

    Raises:
        ValueError: naming a leaf of the batch without the others' leading axis, or where `chunk` is below 1.
    """
    check_params(params, "example_gradient_norms")
    n = _count_examples("example_gradient_norms", batch)
    if chunk < 1:
        raise ValueError(f"example_gradient_norms needs chunk >= 1, and was given chunk={chunk}")
    norm = lambda example: tree_norm(jax.grad(loss_fn)(params, _alone(example)))  # noqa: E731
    return lax.map(norm, batch, batch_size=min(chunk, n))


def example_projections(loss_fn: Callable[[Tree, Tree], Array], params: Tree, batch: Tree, direction: Tree) -> Array:
    r"""Each example's gradient along one direction, $g_i^\top d$, without any of the gradients.

    They are the derivatives of the n losses along d, so one forward-mode pass yields them all, at the price of
    about one gradient.

    Args:
        loss_fn: (params, batch) -> (), a mean over examples, as for `example_gradient_norms`.
        params: a pytree of real floating-point arrays.
        batch: a pytree whose leaves share a leading axis of n examples.
        direction: d, a tree as `params` in structure, shapes and dtypes.

    Returns:
        (n,), in units of the loss where d is in units of p, and of g**2 where d is a gradient.

    Raises:
        ValueError: naming a leaf of the batch without the others' leading axis, or the first where `params` and
            `direction` differ.
    """
    check_params(params, "example_projections")
    check_alike("example_projections", params=params, direction=direction)
    _count_examples("example_projections", batch)
    losses = lambda p: jax.vmap(lambda example: loss_fn(p, _alone(example)))(batch)  # noqa: E731
    return jax.jvp(losses, (params,), (direction,))[1]


class NoiseScale(NamedTuple):
    """The gradient's noise.

    Attributes:
        trace: (), the trace of the covariance of one example's gradient, in units of g**2.
        signal: (), the squared norm of the true gradient, in units of g**2; below 0 where the noise hides it.
        scale: (), their quotient, in examples: batches far below it are mostly noise, far above it mostly repetition.
            Infinite where the signal is not above 0; NaN without either.
    """

    trace: Array
    signal: Array
    scale: Array


def noise_scale(squared_norms: Array, gradient: Tree) -> NoiseScale:
    r"""The simple noise scale of one batch (McCandlish, Kaplan, Amodei et al. 2018, <https://arxiv.org/abs/1812.06162>, section 2.2 and appendix A.1).

    $$\operatorname{tr} \Sigma = \frac{n}{n-1} \big( \overline{\lVert g_i \rVert^2} - \lVert \bar g \rVert^2 \big)
    \qquad \lVert G \rVert^2 = \frac{n \lVert \bar g \rVert^2 - \overline{\lVert g_i \rVert^2}}{n-1} \qquad
    B_{\mathrm{simple}} = \frac{\operatorname{tr} \Sigma}{\lVert G \rVert^2}$$

    The paper's two estimates with batches of 1 and of n. Each is unbiased, their quotient is not: average `trace` and
    `signal` over steps, and divide the averages.

    Args:
        squared_norms: (n,), the squared norm of each example's gradient, n at least 2.
        gradient: the mean of the examples' gradients, a pytree.

    Returns:
        A `NoiseScale`.

    Raises:
        ValueError: with fewer than two examples, from which there is no variance.
    """
    n = check_statistics("noise_scale", squared_norms)
    mean, whole = jnp.mean(squared_norms), tree_dot(gradient, gradient)
    trace = jnp.maximum(mean - whole, 0) * n / (n - 1)
    signal = (n * whole - mean) / (n - 1)
    hidden = (signal <= 0) & (trace > 0)
    return NoiseScale(trace, signal, jnp.where(hidden, jnp.inf, trace / signal))


def _alone(example: Tree) -> Tree:
    return jax.tree.map(lambda x: x[None], example)


def _count_examples(who: str, batch: Tree) -> int:
    leaves = jax.tree_util.tree_leaves_with_path(batch)
    if not leaves:
        raise ValueError(f"{who} needs a batch with at least one array, and was given {batch!r}")
    first_path, first = leaves[0][0], jnp.shape(leaves[0][1])
    for path, leaf in leaves:
        shape = jnp.shape(leaf)
        if not shape or shape[0] == 0 or shape[:1] != first[:1]:
            raise ValueError(
                f"{who} needs one leading axis of examples on every leaf of the batch, and was given shape "
                f"{shape} at {path_name(path)!r} beside {first} at {path_name(first_path)!r}"
            )
    return first[0]


def check_statistics(who: str, x: Array) -> int:
    """How many examples there are; ValueError below two, from which there is no variance."""
    if jnp.ndim(x) != 1 or jnp.shape(x)[0] < 2:
        raise ValueError(f"{who} needs one number for each of at least 2 examples, and was given shape {jnp.shape(x)}")
    return jnp.shape(x)[0]
