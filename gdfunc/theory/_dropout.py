"""What dropout does to the correlations of wide random networks."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from .. import core
from ..core import gaussian_pair_mean
from ._checks import check_range, check_variances
from ._fixed_points import bisect
from ._mean_field import length_map


def dropout_correlation(
    activation: str | core.Activation, q: Any, weight_variance: Any, bias_variance: Any, keep: Any
) -> Array:
    r"""The correlation to which the same input comes with itself after many layers, under two draws of dropout (Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017, <https://arxiv.org/abs/1611.01232>, section 3.2).

    $$c^* = \frac{\sigma_w^2\, \mathbb E\, \phi(z_1) \phi(z_2) + \sigma_b^2}{q} \qquad
    q = \frac{\sigma_w^2}{\rho}\, \mathbb E\, \phi(z)^2 + \sigma_b^2 \qquad \mathbb E\, z_1 z_2 = c^* q$$

    Below 1 for every keep < 1: dropout takes the critical point away, and with it depths beyond some ten layers.

    Args:
        activation: phi, by name or as an elementwise function.
        q: the length that layers keep: `fixed_length(phi, weight_variance / keep, bias_variance)`.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.
        keep: rho in (0, 1], the share of units that stay, which are divided by it.

    Returns:
        c*, (), in [0, 1].

    Raises:
        ValueError: as `length_map`, and where `keep` leaves its range.
    """
    check_variances("dropout_correlation", q=q, weight_variance=weight_variance, bias_variance=bias_variance)
    check_range("dropout_correlation", "keep", keep, above=0, high=1)
    phi = core.activation(activation)
    after = length_map(phi, q, weight_variance / keep, bias_variance)
    there = lambda c: (weight_variance * gaussian_pair_mean(phi, (q, q), c) + bias_variance) / after  # noqa: E731
    return bisect(lambda c: there(c) > c, jnp.zeros(()), jnp.ones(()))
