"""The ratio of two norms that layer-wise rules multiply a direction by."""

from typing import Any

import jax.numpy as jnp
from jax import Array


def trust_ratio(p_norm: Array, d_norm: Array, eps: Any = 0.0) -> Array:
    r"""$\lVert p \rVert / (\lVert d \rVert + \epsilon)$, and 1 where either norm is 0.

    Parameters that start at zero would otherwise stay there. The papers leave the case open; their authors' programs and
    Optax take 1.

    Args:
        p_norm: (), the norm of the parameters.
        d_norm: (), that of the direction.
        eps: epsilon >= 0, in units of d.

    Returns:
        (), in units of p / d.
    """
    both = (p_norm > 0) & (d_norm > 0)
    # Twice `where`: the derivative of the branch not taken must be finite too.
    return jnp.where(both, p_norm / (jnp.where(both, d_norm, 1) + eps), 1)
