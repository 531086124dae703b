"""How many directions a layer's activations use, and how its map stretches them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from ..core import wide


def effective_rank(activations: Array) -> Array:
    r"""How many directions a matrix really uses (Roy & Vetterli 2007, EUSIPCO, <https://ieeexplore.ieee.org/document/7098875>).

    $$\exp\!\Big(\!-\sum_j p_j \log p_j\Big) \qquad p_j = \sigma_j / \sum_i \sigma_i$$

    Between 1 and the rank, and that only where all singular values are equal. Costs one singular value decomposition,
    n d min(n, d).

    Args:
        activations: (n, d), one row an example; subtract the mean over rows first where a common offset is of no
            interest.

    Returns:
        (), in directions; NaN where all entries are 0.

    Raises:
        ValueError: where the array has not two axes.
    """
    sigma = jnp.linalg.svd(_matrix("effective_rank", activations), compute_uv=False)
    p = sigma / jnp.sum(sigma)
    return jnp.exp(jnp.sum(jax.scipy.special.entr(p)))


def mean_pairwise_cosine(activations: Array) -> Array:
    r"""The mean cosine between the activations of two different examples, in one pass.

    $$\frac{1}{m (m-1)} \sum_{i \ne j} \hat a_i^\top \hat a_j
    = \frac{\lVert \sum_i \hat a_i \rVert^2 - m}{m (m-1)} \qquad \hat a_i = a_i / \lVert a_i \rVert$$

    At 1 the network cannot tell its inputs apart at this layer. Martens et al. 2021,
    <https://arxiv.org/abs/2110.01765>, follow it through depth as the c-value.

    Args:
        activations: (n, d), one row an example; rows of zeros have no direction and are left out.

    Returns:
        () in [-1, 1], without unit; NaN where fewer than two rows m remain.

    Raises:
        ValueError: where the array has not two axes.
    """
    a = _matrix("mean_pairwise_cosine", activations)
    norms = jnp.linalg.norm(a, axis=1, keepdims=True)
    zero = norms == 0
    directions = jnp.where(zero, 0, a / jnp.where(zero, 1, norms))
    m = jnp.sum(~zero, dtype=a.dtype)
    total = jnp.sum(directions, axis=0)
    return jnp.where(m < 2, jnp.nan, (total @ total - m) / (m * (m - 1)))


def jacobian_singular_values(f: Callable[[Array], Array], x: Array) -> Array:
    r"""How a map from layer to layer stretches a small change: the singular values of its Jacobian $\partial f / \partial x$ at x.

    All near 1 is dynamical isometry (Saxe, McClelland & Ganguli 2014, ICLR, <https://arxiv.org/abs/1312.6120>): signals
    and gradients keep their length. Costs one forward-mode pass for each entry of x, or one reverse-mode pass for each
    of f(x), whichever are fewer, and memory for the whole Jacobian.

    Args:
        f: x -> another array, of one example.
        x: where, any shape.

    Returns:
        (min(size of x, size of f(x)),), descending, in units of f / x.

    Raises:
        ValueError: where f returns no single array.
    """
    x = jnp.asarray(x)
    out = jax.eval_shape(f, x)
    if not hasattr(out, "shape"):
        raise ValueError(f"jacobian_singular_values needs f to return one array, and it returned {out}")
    derive = jax.jacfwd if x.size <= out.size else jax.jacrev
    return jnp.linalg.svd(wide(derive(f)(x).reshape(out.size, x.size)), compute_uv=False)


def _matrix(who: str, activations: Array) -> Array:
    if jnp.ndim(activations) != 2:
        raise ValueError(
            f"{who} needs (examples, units), and was given shape {jnp.shape(activations)}: reshape positions and "
            "channels into one or the other"
        )
    return wide(jnp.asarray(activations))
