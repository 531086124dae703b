import math
from collections.abc import Sequence
from typing import Any, Literal

from ._common import Initialiser, Law, check_choice, check_number, initialiser
from ._plain import standard_normal, standard_truncated_normal, standard_uniform

Fan = Literal["in", "out", "average"]
Distribution = Literal["normal", "uniform", "truncated_normal"]

_DRAWS = {
    "normal": standard_normal,
    "uniform": standard_uniform,
    "truncated_normal": standard_truncated_normal,
}


def fans(shape: Sequence[int]) -> dict[str, float]:
    """How many inputs feed an output and the reverse, and their average, for axes (..., in, out).

    Args:
        shape: two or more dimensions: the receptive field of a convolution, then in, then out.

    Returns:
        {"in": ..., "out": ..., "average": ...}.
    """
    *receptive_field, n_in, n_out = shape
    fan_in = math.prod(receptive_field) * n_in
    fan_out = math.prod(receptive_field) * n_out
    return {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}


def variance_scaling(gain: Any = 1.0, fan: Fan = "in", distribution: Distribution = "normal") -> Initialiser:
    r"""Zero-mean weights whose standard deviation is a gain over the root of a fan.

    $$\mathrm{std}(w) = g / \sqrt n$$

    LeCun's, Xavier's and He's initialisations are this with a gain and a fan. PyTorch's default for `nn.Linear` is
    `variance_scaling(3**-0.5, "in", "uniform")`: uniform on +-1 / sqrt(fan_in).

    Args:
        gain: g >= 0, without unit: the factor on the standard deviation; its square is `jax.nn.initializers`' `scale`.
        fan: n: "in" keeps the mean square of signals going forward, "out" that of gradients going back, "average" is
            between the two. Axes are (..., in, out) as in JAX, leading ones being a convolution's receptive field, which counts
            into both fans; PyTorch has (out, in, ...).
        distribution: "normal"; "uniform", on +-sqrt(3) g / sqrt(n); "truncated_normal", cut at 2.27 standard deviations, with
            the standard deviation right after the cut.

    Returns:
        `init(key, shape, dtype=float32)` for shapes of two or more dimensions.

    Raises:
        ValueError: on a negative gain or an unknown fan or distribution; from `init` on fewer than two dimensions.
    """
    return scaled("variance_scaling", gain, fan, distribution)


def scaled(who: str, gain: Any, fan: str, distribution: str) -> Initialiser:
    """`variance_scaling`, whose errors name `who`."""
    check_number(who, "gain", gain, low=0)
    check_choice(who, "fan", fan, ("in", "out", "average"))
    check_choice(who, "distribution", distribution, tuple(_DRAWS))

    def draw(key, shape, dtype):
        n = fans(shape)[fan]
        std = gain / math.sqrt(n)
        return std * _DRAWS[distribution](key, shape, dtype)

    return initialiser(who, draw, (2, math.inf), Law(lambda shape: gain**2 / fans(shape)[fan]))
