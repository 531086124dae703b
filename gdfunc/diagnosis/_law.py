"""What theory says that a gradient must do on its way through layers with such weights, beside what it was seen to do."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from .. import core
from ..theory import chi, critical_point
from ._evidence import Row

_CLOSE = 0.2  # of the decades a layer that were seen: theory's are the wide network's mean


def law(rows: Sequence[Row], seen: float) -> str:
    r"""Why the gradient changes as it does, in words; "" where theory has no answer, or another one.

    $$\frac{\lVert \partial L / \partial z_l \rVert^2}{\lVert \partial L / \partial z_{l+1} \rVert^2} \approx
    \sigma_w^2\, \mathbb E\, \phi'(z)^2 \qquad z \sim \mathcal N(0, \overline{z_l^2})$$

    with sigma_w^2 = n_in times the mean square of the weights of layer l + 1 (Schoenholz, Gilmer, Ganguli & Sohl-Dickstein 2017,
    <https://arxiv.org/abs/1611.01232>).

    Args:
        rows: layers one after the other, in the order of the run.
        seen: how many decades the gradient's norm grows a layer, on its way back.
    """
    names = {row.activation for row in rows[:-1]}
    if len(names) != 1 or not (name := names.pop()) or not all(np.isfinite(row.weight_variance) for row in rows[1:]):
        return ""
    try:
        phi = core.activation(name)
    except ValueError:  # one of the user's own
        return ""
    pairs = pairwise(rows)
    factors = [chi(phi, below.output_rms**2, above.weight_variance) for below, above in pairs]
    predicted = float(np.mean(np.log10(np.maximum(np.asarray(factors, np.float64), 1e-300)))) / 2
    if not abs(predicted - seen) <= _CLOSE * abs(seen):
        return ""
    weights = float(np.median([row.weight_variance for row in rows[1:]]))
    words = f", as weights of sigma_w^2 = {weights:.3g} must (in theory {10 ** abs(predicted):.3g} times a layer)"
    try:
        return f"{words}; at the critical {critical_point(phi).weight_variance:.4g} it would not"
    except ValueError:  # no weights are
        return words
