"""What residual branches do to the signals and gradients of wide random networks."""

from typing import Any

from jax import Array

from .. import core
from ._mean_field import chi, length_map


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
