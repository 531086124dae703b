from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class AdaBelief(ArrayRule):
    r"""AdaBelief: Adam that divides by how far the gradient is from its average (Zhuang et al. 2020, NeurIPS, <https://arxiv.org/abs/2010.07468>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad s_t = \beta_2 s_{t-1} + (1-\beta_2) (g_t - m_t)^2 + \epsilon_s \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat s_t = s_t / (1-\beta_2^t) \\
    u_t &= -\eta\, \hat m_t / (\sqrt{\hat s_t} + \epsilon)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of the parameters; where gradients agree one moves by much more in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): s remembers about 1 / (1 - b2) squared errors.
        eps: epsilon >= 0, in units of g.
        eps_root: epsilon_s >= 0, in units of g**2. It is added at every step and so adds up, to eps_root / (1 - b2):
            gradients below the root of that move less, below 0.003 at the defaults.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.

    The paper has one epsilon, 1e-8, in both places; its authors' program and Optax have 1e-16.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    eps_root: NonNegative = 1e-8
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        s: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), s=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        s = ema(memory.s, (g - m) ** 2, self.b2) + self.eps_root
        m_hat = m / debias(self.b1, t, self.debias)
        s_hat = s / debias(self.b2, t, self.debias)
        return -self.learning_rate * m_hat / (safe_sqrt(s_hat) + self.eps), self.Memory(m, s)
