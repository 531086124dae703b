"""How much the examples of a batch disagree about the gradient, and what that says about the batch's size."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import Tree, tree_dot


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


def check_statistics(who: str, x: Array) -> int:
    """How many examples there are; ValueError below two, from which there is no variance."""
    if jnp.ndim(x) != 1 or jnp.shape(x)[0] < 2:
        raise ValueError(f"{who} needs one number for each of at least 2 examples, and was given shape {jnp.shape(x)}")
    return jnp.shape(x)[0]
