from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, root_with_eps, rule


@rule
class Adam(ArrayRule):
    r"""Adam: the gradient's average over the root of its square's (Kingma & Ba 2015, ICLR, <https://arxiv.org/abs/1412.6980>, Algorithm 1).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    u_t &= -\eta\, \hat m_t / (\sqrt{\hat v_t} + \epsilon)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of the parameters: about the most that one of them moves in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g (of g**2 inside the root): gradients far below it move less than learning_rate.
        eps_at: "outside" the root, as in Algorithm 1; "inside" it; "before_debias", added to the root of v_t before the
            correction, which is the end of the paper's section 2 (epsilon hat) and TensorFlow's form.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    eps_at: Literal["outside", "inside", "before_debias"] = "outside"
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        v = ema(memory.v, g**2, self.b2)
        m_correction = debias(self.b1, t, self.debias)
        v_correction = debias(self.b2, t, self.debias)
        m_hat = m / m_correction
        v_hat = v / v_correction
        denominator = root_with_eps(v_hat, self.eps, self.eps_at, v_correction)
        u = -self.learning_rate * m_hat / denominator
        return u, self.Memory(m, v)
