from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ._binary import binary
from ._checks import must_hold, nan_unless


def focal(logits: Any, labels: Any, *, alpha: Any = 0.25, gamma: Any = 2.0) -> Array:
    r"""Log loss that turns away from what is classified well already (Lin et al. 2017, ICCV, <https://arxiv.org/abs/1708.02002>, eq. 5).

    $$\begin{aligned}
    p_t &= \sigma(z) \text{ where } y = 1,\quad \sigma(-z) \text{ where } y = 0 \\
    \ell &= -\alpha_t (1 - p_t)^\gamma \log p_t
    \end{aligned}$$

    Args:
        logits: any shape, floating-point: z, before the sigmoid. One yes or no an entry; nothing is summed.
        labels: shaped as `logits`, 0 or 1, of any real dtype.
        alpha: in [0, 1], a pure number: the weight of y = 1; y = 0 weighs 1 - alpha. None: both weigh 1.
        gamma: >= 0, a pure number: 0 is the log loss; the larger, the less a good example counts.

    Returns:
        One loss an entry, shaped as `logits` and in its dtype. Where a label is neither 0 nor 1 and could not be looked
        at (inside jit or vmap), the loss and its gradient are NaN.

    Raises:
        ValueError: on logits that are not floating-point, shapes that differ, or naming the first label that is not 0 or 1.
    """
    must_hold("focal", "gamma >= 0", gamma, gamma >= 0)
    z, y, valid = binary("focal", "logits", logits, labels, "labels 0 or 1")
    z = jnp.where(y > 0, z, -z)
    # log(1 - p_t) = -softplus(z): the power of a number that may round to 0 is never taken.
    loss = jnp.exp(-gamma * jax.nn.softplus(z)) * jax.nn.softplus(-z)
    if alpha is not None:
        must_hold("focal", "0 <= alpha <= 1", alpha, (alpha >= 0) & (alpha <= 1))
        loss = jnp.where(y > 0, alpha, 1 - alpha) * loss
    return nan_unless(valid, loss).astype(jnp.result_type(logits))
