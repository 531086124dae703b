from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ._binary import binary
from ._checks import nan_unless


def sigmoid_cross_entropy(logits: Any, labels: Any) -> Array:
    r"""Log loss: the negative log-likelihood of a yes or no under a sigmoid (Cox 1958, Journal of the Royal Statistical Society B, <https://doi.org/10.1111/j.2517-6161.1958.tb00292.x>).

    $$\ell = -y \log \sigma(z) - (1 - y) \log \sigma(-z)$$

    Its gradient with respect to the logit is sigma(z) - y: unlike a squared error's, it does not vanish where the sigmoid
    saturates at the wrong end.

    Args:
        logits: any shape, floating-point: z, before the sigmoid. One yes or no an entry; nothing is summed.
        labels: shaped as `logits`: y in [0, 1], of any real dtype: 0 or 1, or a probability.

    Returns:
        One loss an entry, shaped as `logits` and in its dtype. Where a label is outside [0, 1] and could not be looked
        at (inside jit or vmap), the loss and its gradient are NaN.

    Raises:
        ValueError: on logits that are not floating-point, shapes that differ, or naming the first label out of range.
    """
    z, y, valid = binary("sigmoid_cross_entropy", "logits", logits, labels, "labels in [0, 1]")
    # softplus(z) - y z would cancel: at y = 1, z = 20 it is 0 in float32 instead of 2e-9.
    loss = y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z)
    return nan_unless(valid, loss).astype(jnp.result_type(logits))
