"""Weights with which gradients pass through any number of layers unchanged."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_context

from .. import core
from ..core import gaussian_nodes, slope_of
from ._common import Initialiser, check_number
from ._variance_scaling import scaled

_GRID = np.logspace(-8, 6, 281)
_TINY = 1e-8  # of q: what quadrature and rounding leave of a difference that is 0


class CriticalPoint(NamedTuple):
    """Where a wide network's gradients neither vanish nor explode."""

    weight_variance: float  # sigma_w^2: n_in times the variance of a weight
    bias_variance: float  # sigma_b^2
    q: float  # the pre-activations' variance that the layers keep; 0 where they let it go to 0, slowly


def critical_point(activation: str | core.Activation, bias_variance: float = 0.0) -> CriticalPoint:
    r"""The weights' variance at the edge between order and chaos (Schoenholz et al. 2017, ICLR, <https://arxiv.org/abs/1611.01232>).

    $$\begin{aligned}
    q &= \sigma_w^2\, \mathbb E\, \phi(z)^2 + \sigma_b^2 \qquad z \sim \mathcal N(0, q) \\
    1 &= \chi_1 = \sigma_w^2\, \mathbb E\, \phi'(z)^2
    \end{aligned}$$

    Below it gradients shrink by chi_1 a layer and inputs become alike; above they grow and inputs drift apart. tanh has
    1.7610 at sigma_b^2 = 0.05, and 1 without biases. relu has 2 and no biases, at any q: 1 is given. Where there are several
    such q, the smallest is given.

    Args:
        activation: a name that `gdfunc.core.activation` knows, or an elementwise function of an array.
        bias_variance: sigma_b^2 >= 0.

    Returns:
        A `CriticalPoint` of Python floats.

    Raises:
        ValueError: on an unknown name, a negative variance, and where there is no such point: the message has the
            largest sigma_b^2 that has one.
    """
    check_number("critical_point", "bias_variance", bias_variance, low=0)
    phi = core.activation(activation)

    def at(q):
        """On the critical line both variances are functions of q alone."""
        z, density = gaussian_nodes(0.0, np.sqrt(q), np)
        with eval_context(), jax.enable_x64(True), np.errstate(all="ignore"):
            of = lambda f: np.sum(density * np.asarray(f(jnp.asarray(z)), np.float64) ** 2, axis=-1)  # noqa: E731
            weight = 1 / of(slope_of(phi))
            return weight, q - weight * of(phi)

    weights, biases = at(_GRID)
    known = np.isfinite(weights) & np.isfinite(biases)
    over = biases - bias_variance
    if not np.any(known):
        raise ValueError(
            f"critical_point needs an activation with finite moments and a slope, and {activation!r} has none"
        )
    if bias_variance == 0 and np.all(np.abs(biases[known]) <= _TINY * _GRID[known]):  # phi(a z) = a phi(z)
        return CriticalPoint(float(at(1.0)[0]), 0.0, 1.0)
    if bias_variance == 0 and abs(biases[0]) <= 1e-3 * _GRID[0]:
        return CriticalPoint(float(at(1e-30)[0]), 0.0, 0.0)
    rising = np.flatnonzero(known[:-1] & known[1:] & (over[:-1] < 0) & (over[1:] >= 0))
    if not rising.size:
        most = np.max(biases[known])
        has = f"at most {most:.4g}" if most > _TINY * _GRID[known][np.argmax(biases[known])] else "0"
        raise ValueError(
            f"critical_point needs a bias_variance of {has} for {activation!r}, and was given {bias_variance!r}: "
            "beyond it no weights pass gradients on unchanged"
        )
    low, high = _GRID[rising[0] : rising[0] + 2]
    for _ in range(60):
        q = (low + high) / 2
        low, high = (q, high) if at(q)[1] < bias_variance else (low, q)
    return CriticalPoint(float(at(q)[0]), float(bias_variance), float(q))


def critical(activation: str | core.Activation, bias_variance: float = 0.0) -> Initialiser:
    r"""Normal weights at the edge between order and chaos, for any activation (Schoenholz et al. 2017, <https://arxiv.org/abs/1611.01232>).

    $$w \sim \mathcal N(0, \sigma_w^2 / n_{in}) \qquad \sigma_w^2\, \mathbb E\, \phi'(z)^2 = 1$$

    The biases go with it: `models.mlp(sizes, phi, init.critical(phi, 0.05), init.normal(0.05**0.5))`.

    Args:
        activation: a name that `gdfunc.core.activation` knows, or an elementwise function of an array.
        bias_variance: sigma_b^2 >= 0, of biases drawn from N(0, sigma_b^2).

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).

    Raises:
        ValueError: as `critical_point`.
    """
    return scaled("critical", critical_point(activation, bias_variance).weight_variance ** 0.5, "in", "normal")
