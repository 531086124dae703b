from typing import Any

from .. import core
from ._common import Initialiser
from ._gain import gain as gain_of
from ._variance_scaling import scaled


def fixup(blocks: int, layers: int = 2, activation: str | core.Activation = "relu") -> Initialiser:
    r"""He's weights, so much smaller in a residual branch that a step of training changes the network as much at any depth (Zhang, Dauphin & Ma 2019, ICLR, <https://arxiv.org/abs/1901.09321>, section 3).

    $$w \sim \mathcal N\!\left(0,\; L^{-\frac{2}{2m - 2}} \frac{g^2}{n_{in}}\right) \qquad g = 1 / \sqrt{\mathbb E\, \phi(z)^2}$$

    For the weights of a branch but its last, which start at zero, as the output layer's do: `models.residual(..., fixup=True)`
    is the whole recipe.

    Args:
        blocks: L >= 1, the number of residual branches in the network.
        layers: m >= 2, the number of weight layers in each branch.
        activation: phi, by name or as a function: `gain(activation)` is g; sqrt(2) for relu.

    Returns:
        `init(key, shape, dtype=float32)` for shapes (..., in, out).

    Raises:
        ValueError: where blocks < 1 or layers < 2, as a branch of one layer is zero at the start, and on an unknown activation.
    """
    _check_count("blocks", blocks, 1)
    _check_count("layers", layers, 2)
    return scaled("fixup", gain_of(activation) * blocks ** (-1 / (2 * layers - 2)), "in", "normal")


def _check_count(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"fixup needs {name} to be an integer >= {least}, and was given {name}={value!r}")
