"""What batch normalisation does to the gradients of wide random networks."""

import math
from typing import Literal

from ._checks import check_range


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
