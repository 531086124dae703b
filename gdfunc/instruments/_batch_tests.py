"""Is the batch large enough? Three tests of its gradient against the spread of its examples'."""

import jax.numpy as jnp
from jax import Array

from ..core import Tree, tree_dot
from ._noise import check_statistics


def norm_test(squared_norms: Array, gradient: Tree) -> Array:
    r"""The batch gradient's standard error over its length (Byrd, Chin, Nocedal & Wu 2012, Math. Program. 134, <https://doi.org/10.1007/s10107-012-0572-5>).

    $$\sqrt{\frac{\sum_i \lVert g_i - \bar g \rVert^2}{n (n-1)\, \lVert \bar g \rVert^2}}$$

    The batch is large enough while this is at most some theta below 1. Its square is the sum of the squares of
    `inner_product_test` and `orthogonality_test`.

    Args:
        squared_norms: (n,), the squared norm of each example's gradient, n at least 2.
        gradient: the mean of the examples' gradients, a pytree.

    Returns:
        (), without unit; infinite where only the mean gradient is 0, NaN where all gradients are.

    Raises:
        ValueError: with fewer than two examples.
    """
    n = check_statistics("norm_test", squared_norms)
    whole = tree_dot(gradient, gradient)
    spread = jnp.maximum(jnp.sum(squared_norms) - n * whole, 0)
    return jnp.sqrt(spread / (n * (n - 1) * whole))


def inner_product_test(projections: Array, gradient: Tree) -> Array:
    r"""The standard error of the batch gradient along itself (Bollapragada, Byrd & Nocedal 2018, SIAM J. Optim. 28(4), <https://arxiv.org/abs/1710.11258>).

    $$\sqrt{\frac{\sum_i (g_i^\top \bar g - \lVert \bar g \rVert^2)^2}{n (n-1)\, \lVert \bar g \rVert^4}}$$

    At most some theta below 1, and the step very likely descends.

    Args:
        projections: (n,), $g_i^\top \bar g$, as `example_projections` gives them along `gradient`; n at least 2.
        gradient: the mean of the examples' gradients, a pytree.

    Returns:
        (), without unit; NaN where the mean gradient is 0.

    Raises:
        ValueError: with fewer than two examples.
    """
    n = check_statistics("inner_product_test", projections)
    along = projections / tree_dot(gradient, gradient) - 1
    return jnp.sqrt(jnp.sum(along**2) / (n * (n - 1)))


def orthogonality_test(squared_norms: Array, projections: Array, gradient: Tree) -> Array:
    r"""The standard error of the batch gradient across itself (Bollapragada, Byrd & Nocedal 2018, SIAM J. Optim. 28(4), <https://arxiv.org/abs/1710.11258>).

    $$\sqrt{\frac{1}{n (n-1)\, \lVert \bar g \rVert^2}
    \sum_i \Big\lVert g_i - \frac{g_i^\top \bar g}{\lVert \bar g \rVert^2} \bar g \Big\rVert^2}$$

    Large, and the step descends but strays sideways; several times the bound on `inner_product_test` is harmless.

    Args:
        squared_norms: (n,), the squared norm of each example's gradient, n at least 2.
        projections: (n,), $g_i^\top \bar g$.
        gradient: the mean of the examples' gradients, a pytree.

    Returns:
        (), without unit; NaN where the mean gradient is 0.

    Raises:
        ValueError: with fewer than two examples, or two different counts of them.
    """
    n = check_statistics("orthogonality_test", squared_norms)
    if jnp.shape(projections) != (n,):
        raise ValueError(
            f"orthogonality_test needs one projection for each of {n} norms, and was given shape "
            f"{jnp.shape(projections)}"
        )
    whole = tree_dot(gradient, gradient)
    across = jnp.maximum(squared_norms - projections**2 / whole, 0)
    return jnp.sqrt(jnp.sum(across) / (n * (n - 1) * whole))
