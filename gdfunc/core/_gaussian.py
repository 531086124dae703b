"""Averages over normal numbers, by quadrature."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

# Eight Gauss-Legendre nodes in each panel. Panels end at these numbers of standard deviations, ...
_FAR = 9.0
_SPREAD = np.arange(-_FAR, _FAR + 0.25, 0.5)
# ... and where activation functions have their kinks: relu, elu, the hard tanh, the hard sigmoid, relu6, the shrinks.
# Far more widely spread numbers than 1 so get small panels where any such function bends.
_KINKS = np.array([-12, -6, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 6, 12])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def gaussian_mean(f: Callable[[Array], Array], variance: Any, mean: Any = 0.0) -> Array:
    r"""The average of a function of a normal number.

    $$\mathbb E\, f(u) \qquad u \sim \mathcal N(\mu, v)$$

    To rounding for functions that are smooth but for kinks or jumps at 0, +-1/2, +-1, +-2, +-3, +-6, +-12; elsewhere a kink
    costs about 1e-4 of the change in slope, and a jump 1e-2 of its height. Differentiable in `variance` > 0, in `mean` and
    in what f closes over.

    Args:
        f: elementwise, on an array.
        variance: v >= 0.
        mean: mu.

    Returns:
        (), in the precision of v: float32 unless JAX's 64 bits are on.
    """
    u, weights = gaussian_nodes(mean, jnp.sqrt(variance))
    return jnp.sum(weights * f(u))


def gaussian_pair_mean(f: Callable[[Array], Array], variances: tuple[Any, Any], correlation: Any) -> Array:
    r"""The average of a product of two functions' values at correlated normal numbers.

    $$\mathbb E\, f(u_1)\, f(u_2) \qquad u_i \sim \mathcal N(0, v_i) \qquad \mathbb E\, u_1 u_2 = c \sqrt{v_1 v_2}$$

    Args:
        f: elementwise, on an array.
        variances: (v_1, v_2), each >= 0.
        correlation: c in [-1, 1]; at the ends its derivative is not finite.

    Returns:
        (), as `gaussian_mean`; just below c = 1 to 1e-9 of a kink and 1e-6 of a jump, as the average
        given the one number bends within sqrt(1 - c^2).
    """
    first, second = (jnp.sqrt(v) for v in variances)
    u, weights = gaussian_nodes(0.0, first)
    # Given the one, the other is normal about c of it.
    standard = jnp.where(first > 0, u / jnp.where(first > 0, first, 1), 0)
    given, inner = gaussian_nodes(correlation * second * standard, second * jnp.sqrt(1 - correlation**2))
    return jnp.sum(weights * f(u) * jnp.sum(inner * f(given), axis=-1))


def gaussian_nodes(mean: Any, std: Any, xp: Any = jnp) -> tuple[Any, Any]:
    r"""The quadrature behind it: $\mathbb E\, f(u) \approx \sum_k w_k f(u_k)$.

    Args:
        mean: mu, any shape.
        std: the root of v, any shape.
        xp: jax.numpy, or numpy for known numbers, with which nothing is compiled.

    Returns:
        (u, w), each shaped as `mean` and `std` with an axis of nodes behind.
    """
    dtype = xp.result_type(mean, std, 0.0)
    mean, std = (xp.asarray(x, dtype)[..., None] for x in xp.broadcast_arrays(mean, std))
    of = lambda numbers: numbers.astype(std.dtype)  # noqa: E731
    kinks = (of(_KINKS) - mean) / xp.where(std > 0, std, 1)
    spread = xp.broadcast_to(of(_SPREAD), (*kinks.shape[:-1], len(_SPREAD)))
    ends = xp.sort(xp.concatenate([spread, xp.clip(kinks, -_FAR, _FAR)], axis=-1), axis=-1)
    half, middle = (ends[..., 1:] - ends[..., :-1]) / 2, (ends[..., 1:] + ends[..., :-1]) / 2
    z = (middle[..., None] + half[..., None] * of(_NODES)).reshape(*ends.shape[:-1], -1)
    sizes = (half[..., None] * of(_WEIGHTS)).reshape(z.shape)
    return mean + std * z, sizes * xp.exp(-(z**2) / 2) / of(np.sqrt(2 * np.pi))
