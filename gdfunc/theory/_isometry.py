"""Whether a deep network keeps the lengths of all small changes alike, or of the average one only."""

from typing import Any, NamedTuple

from jax import Array

from .. import core
from ..core import gaussian_mean, slope_of
from ._checks import check_range, check_variances
from ._mean_field import chi


class Spectrum(NamedTuple):
    """The squared singular values of a network's Jacobian: over very many of them."""

    mean: Array
    variance: Array


def jacobian_spectrum(
    activation: str | core.Activation, q: Any, weight_variance: Any, depth: Any, orthogonal: bool = False
) -> Spectrum:
    r"""Mean and variance of the eigenvalues of J J^T, J the Jacobian of a wide random network (Pennington, Schoenholz & Ganguli 2017, NeurIPS, <https://arxiv.org/abs/1711.04735>).

    $$\begin{aligned}
    m_1 &= (\sigma_w^2 \mu_1)^L \qquad \mu_k = \mathbb E\, \phi'(z)^{2k} \qquad z \sim \mathcal N(0, q) \\
    \sigma^2 &= m_1^2\, L \Big( \frac{\mu_2}{\mu_1^2} - 1 - s_1 \Big) \qquad
    s_1 = \begin{cases} -1 & \text{independent weights} \\ 0 & \text{orthogonal} \end{cases}
    \end{aligned}$$

    At the critical point the mean is 1, and yet with independent weights the variance grows by at least 1 a layer. Near 0
    it is dynamical isometry: orthogonal weights, and an activation that is almost linear at that q (tanh where q is
    small); never with relu, whose mu_2 / mu_1^2 is 2.

    Args:
        activation: phi, by name or as an elementwise function.
        q: the pre-activations' variance, the same in all layers.
        weight_variance: sigma_w^2.
        depth: L >= 1.
        orthogonal: whether weights are random rotations, times sigma_w.

    Returns:
        `Spectrum`.

    Raises:
        ValueError: as `chi`, and where the depth is below 1.
    """
    check_variances("jacobian_spectrum", q=q, weight_variance=weight_variance)
    check_range("jacobian_spectrum", "depth", depth, low=1)
    slope = slope_of(core.activation(activation))
    first, second = (gaussian_mean(lambda z, k=k: slope(z) ** (2 * k), q) for k in (1, 2))
    mean = chi(activation, q, weight_variance) ** depth
    return Spectrum(mean, mean**2 * depth * (second / first**2 - 1 - (0 if orthogonal else -1)))
