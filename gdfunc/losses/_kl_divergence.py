from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import wide
from ._checks import floating, must_hold, nan_unless, same_shape
from ._softmax_cross_entropy import expectation


def kl_divergence(logits: Any, target: Any) -> Array:
    r"""How far softmax of the logits is from a target distribution (Kullback & Leibler 1951, Annals of Mathematical Statistics, <https://doi.org/10.1214/aoms/1177729694>).

    $$\ell = \mathrm{KL}(q \,\|\, p) = \sum_k q_k (\log q_k - \log p_k), \qquad p = \mathrm{softmax}(z)$$

    It is the cross-entropy less the target's own entropy, and 0 where the two are equal. The derivative with respect to
    a target entry of 0, which is infinite, leaves the logarithm out.

    Args:
        logits: (..., K), floating-point: z. Log-probabilities are logits too, since softmax gives them back.
        target: shaped as `logits`, floating-point: q, probabilities; their sums are not checked.

    Returns:
        (...), one divergence an example, in nats and in the dtype of `logits`. Where an entry of the target is negative and
        could not be looked at (inside jit or vmap), the loss and its gradient are NaN.

    Raises:
        ValueError: on a wrong dtype, shapes that differ, or naming the first negative entry of the target.
    """
    who = "kl_divergence"
    logits, target = floating(who, "logits", logits), floating(who, "target", target)
    same_shape(who, logits=logits, target=target)
    if logits.ndim == 0:
        raise ValueError(f"{who} needs logits (..., classes), and was given a single number")
    must_hold(who, "target >= 0", target, target >= 0)
    log_p = jax.nn.log_softmax(wide(logits))
    q = target.astype(log_p.dtype)
    negative_entropy = jnp.sum(q * jnp.log(jnp.where(q > 0, q, 1)), -1)
    return nan_unless(jnp.all(q >= 0, -1), negative_entropy - expectation(q, log_p)).astype(logits.dtype)
