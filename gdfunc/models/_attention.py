import math

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree


def dense(params: Tree, x: Array) -> Array:
    """x W + b."""
    return x @ params["weight"] + params["bias"]


def attention(params: Tree, u: Array, heads: int, causal: bool) -> Array:
    r"""Every place takes from all places what their keys promise its query (Vaswani et al. 2017, section 3.2).

    $$\begin{aligned}
    Q &= u W_Q + b_Q \qquad K, V \text{ alike, their } d \text{ columns cut into } n \text{ heads} \\
    A(u) &= \left[\mathrm{softmax}(Q_k K_k^\top / \sqrt{d / n})\, V_k\right]_{k = 1}^n W_O + b_O
    \end{aligned}$$

    Args:
        params: {"query", "key", "value", "output"}, each {"weight": (d, d), "bias": (d,)}.
        u: (batch, time, d).
        heads: n, a divisor of d.
        causal: whether places see none that come after them.
    """
    *_, time, width = u.shape
    q, k, v = (dense(params[name], u).reshape(*u.shape[:2], heads, -1) for name in ("query", "key", "value"))
    scores = jnp.einsum("bqnd,bknd->bnqk", q, k) / math.sqrt(width / heads)
    if causal:  # not -inf: who looks for what is not finite is to find nothing here
        scores = jnp.where(jnp.tri(time, dtype=bool), scores, jnp.finfo(scores.dtype).min)
    taken = jnp.einsum("bnqk,bknd->bqnd", jax.nn.softmax(scores), v)
    return dense(params["output"], taken.reshape(u.shape))
