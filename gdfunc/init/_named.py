from typing import Any

from .. import core
from ._common import Initialiser
from ._gain import gain as gain_of
from ._variance_scaling import Fan, scaled


def _normal(truncated: bool) -> str:
    return "truncated_normal" if truncated else "normal"


def lecun_normal(truncated: bool = False) -> Initialiser:
    r"""Keeps the variance through a linear layer (LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, eq 16).

    $$w \sim \mathcal N(0, 1 / n_{in})$$

    Args:
        truncated: cut at 2.27 standard deviations, as `jax.nn.initializers.lecun_normal`; the variance is the same.

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).
    """
    return scaled("lecun_normal", 1.0, "in", _normal(truncated))


def lecun_uniform() -> Initialiser:
    r"""Keeps the variance through a linear layer (LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, eq 16).

    $$w \sim \mathcal U[-a, a] \qquad a = \sqrt{3 / n_{in}}$$

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).
    """
    return scaled("lecun_uniform", 1.0, "in", "uniform")


def xavier_normal(gain: Any = 1.0, truncated: bool = False) -> Initialiser:
    r"""Between keeping the signals' and the gradients' variance (Glorot & Bengio 2010, AISTATS, eq 12).

    $$w \sim \mathcal N(0, \sigma^2) \qquad \sigma = g \sqrt{2 / (n_{in} + n_{out})}$$

    Under relu a layer of equal width halves the mean square with g = 1; use He's.

    Args:
        gain: g >= 0, without unit: a factor on the standard deviation.
        truncated: cut at 2.27 standard deviations, as `jax.nn.initializers.glorot_normal`; the variance is the same.

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).
    """
    return scaled("xavier_normal", gain, "average", _normal(truncated))


def xavier_uniform(gain: Any = 1.0) -> Initialiser:
    r"""Between keeping the signals' and the gradients' variance (Glorot & Bengio 2010, AISTATS, eq 16).

    $$w \sim \mathcal U[-a, a] \qquad a = g \sqrt{6 / (n_{in} + n_{out})}$$

    Args:
        gain: g >= 0, without unit: a factor on the standard deviation.

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).
    """
    return scaled("xavier_uniform", gain, "average", "uniform")


def he_normal(activation: str | core.Activation = "relu", fan: Fan = "in", truncated: bool = False) -> Initialiser:
    r"""Keeps the mean square through a layer and its activation (He et al. 2015, ICCV, <https://arxiv.org/abs/1502.01852>, eq 10).

    $$w \sim \mathcal N(0, g^2 / n) \qquad g = 1 / \sqrt{\mathbb E\, \phi(z)^2}$$

    Args:
        activation: phi, by name or as a function: `gain(activation)` is g; for relu sqrt(2), and that is the paper's.
        fan: n: "in" keeps the signals going forward, "out" (eq 14) the gradients going back (exactly so only for relu and
            leaky_relu, whose gain is the same both ways).
        truncated: cut at 2.27 standard deviations, as `jax.nn.initializers.he_normal`; the variance is the same.

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).

    Raises:
        ValueError: on an unknown activation or fan.
    """
    return scaled("he_normal", gain_of(activation), fan, _normal(truncated))


def he_uniform(activation: str | core.Activation = "relu", fan: Fan = "in") -> Initialiser:
    r"""He's variance from a uniform distribution (He et al. 2015, ICCV, <https://arxiv.org/abs/1502.01852>, eq 10).

    $$w \sim \mathcal U[-a, a] \qquad a = g \sqrt{3 / n} \qquad g = 1 / \sqrt{\mathbb E\, \phi(z)^2}$$

    Args:
        activation: phi, by name or as a function: `gain(activation)` is g; sqrt(2) for relu.
        fan: n: "in" keeps the signals going forward, "out" the gradients going back.

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).

    Raises:
        ValueError: on an unknown activation or fan.
    """
    return scaled("he_uniform", gain_of(activation), fan, "uniform")


glorot_normal, glorot_uniform = xavier_normal, xavier_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform
