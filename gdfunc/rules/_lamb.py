from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_norm, safe_sqrt
from ._trust_ratio import trust_ratio


@rule
class LAMB(ArrayRule):
    r"""Adam whose step in each layer is as long as the layer's weights are large (You et al. 2020, ICLR, <https://arxiv.org/abs/1904.00962>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    d_t &= \hat m_t / (\sqrt{\hat v_t} + \epsilon) + \lambda\, p_{t-1} \\
    u_t &= -\eta\, \frac{\lVert p_{t-1} \rVert}{\lVert d_t \rVert}\, d_t
    \end{aligned}$$

    A layer is one array of the parameter tree. Biases and gains are usually left out: `gd.by_path` gives them Adam.

    Args:
        learning_rate: eta > 0, without unit: the share of its own norm that a layer moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        weight_decay: lambda >= 0, in 1 / p: how much the weights themselves count in the direction.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.

    The paper's phi, which bounds the weights' norm, is the identity here, as in its experiments. Where weights or
    direction are all zero the ratio is 1.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-6
    weight_decay: NonNegative = 0.01
    debias: Debias = "exact"

    needs = ("params",)

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        v = ema(memory.v, g**2, self.b2)
        m_hat = m / debias(self.b1, t, self.debias)
        v_hat = v / debias(self.b2, t, self.debias)
        d = m_hat / (safe_sqrt(v_hat) + self.eps) + self.weight_decay * p
        ratio = trust_ratio(safe_norm(p), safe_norm(d))
        return -self.learning_rate * ratio * d, self.Memory(m, v)
