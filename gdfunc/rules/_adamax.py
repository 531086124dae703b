from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule


@rule
class Adamax(ArrayRule):
    r"""Adam in the infinity norm: the gradient's average over its decayed maximum (Kingma & Ba 2015, ICLR, <https://arxiv.org/abs/1412.6980>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad w_t = \max(\beta_2 w_{t-1}, |g_t| + \epsilon) \\
    \hat m_t &= m_t / (1-\beta_1^t) \\
    u_t &= -\eta\, \hat m_t / w_t
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: the most that a parameter moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): the maximum forgets over about 1 / (1 - b2) steps.
        eps: epsilon >= 0, in units of g. The paper prints none, and divides zero by zero where every gradient was zero.
        debias: how 1 - beta_1**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        w: Array  # shaped as p, in units of g

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), w=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        w = jnp.maximum(self.b2 * memory.w, jnp.abs(g) + self.eps)
        m_hat = m / debias(self.b1, t, self.debias)
        return -self.learning_rate * m_hat / w, self.Memory(m, w)
