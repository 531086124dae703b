from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Positive, Rate, rule, safe_norm
from ._trust_ratio import trust_ratio


@rule
class LARS(ArrayRule):
    r"""Momentum whose rate in each layer follows the ratio of weights to gradient (You, Gitman & Ginsburg 2017, arXiv, <https://arxiv.org/abs/1708.03888>, Algorithm 1).

    $$\begin{aligned}
    r_t &= \kappa\, \frac{\lVert p_{t-1} \rVert}{\lVert g_t \rVert + \lambda \lVert p_{t-1} \rVert + \epsilon} \\
    b_t &= \mu\, b_{t-1} + \eta\, r_t (g_t + \lambda\, p_{t-1}) \\
    u_t &= -b_t
    \end{aligned}$$

    A layer is one array of the parameter tree. Biases and gains are usually left out: `gd.by_path` gives them SGD.

    Args:
        learning_rate: eta > 0, without unit: the paper's gamma, the scheduled rate of the whole network.
        momentum: mu in [0, 1): the velocity b remembers about 1 / (1 - mu) steps.
        weight_decay: lambda >= 0, in units of g / p: the paper's beta.
        trust_coefficient: kappa > 0, without unit: the share of its norm that a layer moves at learning_rate = 1; the
            paper's eta.
        eps: epsilon >= 0, in units of g; the paper has none.
        norm_of: what the weights are measured against: "parts", |g| + lambda |p|, as in the paper; "sum", the norm of
            g + lambda p, as in Optax.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.

    Where the weights or the denominator are zero, r is 1.
    """

    learning_rate: Rate
    momentum: Decay = 0.9
    weight_decay: NonNegative = 5e-4
    trust_coefficient: Positive = 1e-3
    eps: NonNegative = 0.0
    norm_of: Literal["parts", "sum"] = "parts"

    needs = ("params",)

    class Memory(NamedTuple):
        b: Array  # shaped as p, in units of p

    def start(self, p):
        return self.Memory(b=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        d = g + self.weight_decay * p
        p_norm = safe_norm(p)
        d_norm = safe_norm(d) if self.norm_of == "sum" else safe_norm(g) + self.weight_decay * p_norm
        r = trust_ratio(self.trust_coefficient * p_norm, d_norm, self.eps)
        b = self.momentum * memory.b + self.learning_rate * r * d
        return -b, self.Memory(b)
