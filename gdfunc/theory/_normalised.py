"""What normalisation, residual branches and dropout do to signals and gradients in wide random networks."""

import math
from typing import Any, Literal

import jax.numpy as jnp
from jax import Array

from .. import core
from ..core import gaussian_pair_mean
from ._checks import check_range, check_variances
from ._fixed_points import bisect
from ._mean_field import chi, length_map


def batch_norm_gradient_growth(batch: int, activation: Literal["relu", "identity"] = "relu") -> float:
    r"""The factor on a gradient's mean square in each layer of a network with batch normalisation, on its way back (Yang, Pennington, Rao, Sohl-Dickstein & Schoenholz 2019, ICLR, <https://arxiv.org/abs/1902.08129>, theorems 8 and 9).

    $$\begin{aligned}
    \text{relu:} \quad & \frac{J'(c) + B - 1}{(B - 3)(1 - J(c))} - \frac{1}{B - 3} \qquad c = -\frac{1}{B - 1} \\
    & J(c) = \frac{\sqrt{1 - c^2} + (\pi - \arccos c)\, c}{\pi} \qquad J'(c) = \frac{\pi - \arccos c}{\pi} \\
    \text{identity:} \quad & \frac{B - 2}{B - 3}
    \end{aligned}$$

    Above 1 for every batch: deep networks with batch normalisation and without skip connections have exploding gradients
    at the start, whatever their weights' variance. relu's falls to $\pi / (\pi - 1) = 1.467$ for large batches.

    Args:
        batch: B > 3, in examples.
        activation: what follows the normalisation.

    Returns:
        The factor; the norm's is its root.

    Raises:
        ValueError: for batches of 3 and fewer, where it is not finite, and other activations.
    """
    check_range("batch_norm_gradient_growth", "batch", batch, above=3)
    if activation == "identity":
        return (batch - 2) / (batch - 3)
    if activation != "relu":
        raise ValueError(
            f"batch_norm_gradient_growth needs 'relu' or 'identity', whose laws are closed, and was given {activation!r}"
        )
    c = -1 / (batch - 1)
    slope = (math.pi - math.acos(c)) / math.pi
    kernel = math.sqrt(1 - c * c) / math.pi + slope * c
    return (slope + batch - 1) / ((batch - 3) * (1 - kernel)) - 1 / (batch - 3)


def residual_length_map(
    activation: str | core.Activation, q: Any, weight_variance: Any, bias_variance: Any = 0.0, branch_scale: Any = 1.0
) -> Array:
    r"""The mean square of what one residual block puts out, from that of what it takes in (Yang & Schoenholz 2017, NeurIPS, <https://arxiv.org/abs/1712.08969>).

    $$q_{l+1} = q_l + \alpha^2 \big( \sigma_w^2\, \mathbb E\, \phi(z)^2 + \sigma_b^2 \big) \qquad
    x_{l+1} = x_l + \alpha (W \phi(x_l) + b)$$

    He's relu doubles it in every block; with $\alpha = 1 / \sqrt L$ it grows to e over L blocks.

    Args:
        activation: phi, by name or as an elementwise function.
        q: q_l >= 0.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.
        branch_scale: alpha, without unit.

    Returns:
        q_{l+1}, ().

    Raises:
        ValueError: as `length_map`.
    """
    return q + branch_scale**2 * length_map(activation, q, weight_variance, bias_variance)


def residual_chi(activation: str | core.Activation, q: Any, weight_variance: Any, branch_scale: Any = 1.0) -> Array:
    r"""The factor on a gradient's mean square in each residual block, on its way back (Yang & Schoenholz 2017, <https://arxiv.org/abs/1712.08969>).

    $$1 + \alpha^2 \sigma_w^2\, \mathbb E\, \phi'(z)^2$$

    Args:
        activation: phi, by name or as an elementwise function.
        q: of the block's input.
        weight_variance: sigma_w^2.
        branch_scale: alpha.

    Returns:
        The factor, (): never below 1, so that no gradient vanishes.

    Raises:
        ValueError: as `chi`.
    """
    return 1 + branch_scale**2 * chi(activation, q, weight_variance)


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
