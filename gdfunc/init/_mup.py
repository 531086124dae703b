import math
from typing import Any

from ._common import Initialiser, Law, check_number, initialiser
from ._plain import standard_normal
from ._variance_scaling import fans


def mup_output(base_width: Any = 1, gain: Any = 1.0) -> Initialiser:
    r"""The output layer's weights in the maximal update parametrisation, smaller by another root of the width (Yang, Hu et al. 2021, NeurIPS, <https://arxiv.org/abs/2203.03466>, table 3).

    $$w \sim \mathcal N(0, g^2 n_0 / n_{in}^2)$$

    All other layers have the variance of a fan in, as ever: `models.mup` puts them together.

    Args:
        base_width: n_0 >= 1, the n_in at which this is `variance_scaling(gain)`; 1 is the paper's table.
        gain: g >= 0, without unit.

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).

    Raises:
        ValueError: where an argument leaves its range; from `init` on fewer than two dimensions.
    """
    check_number("mup_output", "base_width", base_width, low=1)
    check_number("mup_output", "gain", gain, low=0)

    def draw(key, shape, dtype):
        return gain * base_width**0.5 / fans(shape)["in"] * standard_normal(key, shape, dtype)

    law = Law(lambda shape: gain**2 * base_width / fans(shape)["in"] ** 2)
    return initialiser("mup_output", draw, (2, math.inf), law)
