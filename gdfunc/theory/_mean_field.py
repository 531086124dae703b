"""How a wide random network changes what passes through one layer, on average."""

from typing import Any

from jax import Array

from .. import core
from ..core import gaussian_mean, gaussian_pair_mean, slope_of
from ._checks import check_variances


def length_map(activation: str | core.Activation, q: Any, weight_variance: Any, bias_variance: Any = 0.0) -> Array:
    r"""The variance of one layer's pre-activations from that of the layer below (Poole et al. 2016, NeurIPS, <https://arxiv.org/abs/1606.05340>, eq 3).

    $$q_{l+1} = \sigma_w^2\, \mathbb E\, \phi(z)^2 + \sigma_b^2 \qquad z \sim \mathcal N(0, q_l)$$

    Args:
        activation: phi, a name that `gdfunc.core.activation` knows, or an elementwise function of an array.
        q: q_l >= 0.
        weight_variance: sigma_w^2 >= 0: n_in times the variance of a weight.
        bias_variance: sigma_b^2 >= 0.

    Returns:
        q_{l+1}, (). Differentiable where q > 0; map over several with `jax.vmap`.

    Raises:
        ValueError: on an unknown activation, and a negative or non-finite variance.
    """
    check_variances("length_map", q=q, weight_variance=weight_variance, bias_variance=bias_variance)
    phi = core.activation(activation)
    return weight_variance * gaussian_mean(lambda z: phi(z) ** 2, q) + bias_variance


def correlation_map(
    activation: str | core.Activation, c: Any, q: Any, weight_variance: Any, bias_variance: Any = 0.0
) -> Array:
    r"""The correlation of two inputs' pre-activations from that in the layer below (Poole et al. 2016, <https://arxiv.org/abs/1606.05340>, eq 5).

    $$c_{l+1} = \frac{\sigma_w^2\, \mathbb E\, \phi(z_1) \phi(z_2) + \sigma_b^2}{q_{l+1}}
    \qquad z_i \sim \mathcal N(0, q_l) \qquad \mathbb E\, z_1 z_2 = c_l q_l$$

    Args:
        activation: phi, by name or as an elementwise function.
        c: c_l in [-1, 1].
        q: q_l > 0, of both inputs.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.

    Returns:
        c_{l+1}, (). Its slope in c is `correlation_slope`, also at c = 1, where the formula's own derivative is not finite.

    Raises:
        ValueError: as `length_map`.
    """
    phi = core.activation(activation)
    after = length_map(phi, q, weight_variance, bias_variance)
    return (weight_variance * gaussian_pair_mean(phi, (q, q), c) + bias_variance) / after


def correlation_slope(activation: str | core.Activation, c: Any, q: Any, weight_variance: Any) -> Array:
    r"""How much faster two inputs part than in the layer below, at a fixed length (Schoenholz et al. 2017, <https://arxiv.org/abs/1611.01232>, eq 9).

    $$\chi(c) = \sigma_w^2\, \mathbb E\, \phi'(z_1) \phi'(z_2) \qquad \mathbb E\, z_1 z_2 = c q$$

    Args:
        activation: phi, by name or as an elementwise function.
        c: in [-1, 1].
        q: of both inputs.
        weight_variance: sigma_w^2.

    Returns:
        chi(c), (); at c = 1 it is `chi`.
    """
    check_variances("correlation_slope", q=q, weight_variance=weight_variance)
    return weight_variance * gaussian_pair_mean(slope_of(core.activation(activation)), (q, q), c)


def chi(activation: str | core.Activation, q: Any, weight_variance: Any) -> Array:
    r"""The factor on the mean square of a gradient in each layer on its way back (Schoenholz et al. 2017, <https://arxiv.org/abs/1611.01232>, eq 18).

    $$\chi_1 = \sigma_w^2\, \mathbb E\, \phi'(z)^2 \qquad z \sim \mathcal N(0, q)$$

    Below 1 gradients vanish and inputs become alike (order); above 1 gradients explode and inputs part (chaos). The factor on
    the norm is its root.

    Args:
        activation: phi, by name or as an elementwise function.
        q: the pre-activations' variance.
        weight_variance: sigma_w^2: n_out times a weight's variance on the way back.

    Returns:
        chi_1, ().

    Raises:
        ValueError: as `length_map`.
    """
    check_variances("chi", q=q, weight_variance=weight_variance)
    slope = slope_of(core.activation(activation))
    return weight_variance * gaussian_mean(lambda z: slope(z) ** 2, q)
