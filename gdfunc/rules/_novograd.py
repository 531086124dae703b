from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Rate, ema, rule, safe_sqrt


@rule
class NovoGrad(ArrayRule):
    r"""NovoGrad: momentum of gradients that are normalised layer by layer (Ginsburg et al. 2019, arXiv, <https://arxiv.org/abs/1905.11286>, Algorithm 1).

    $$\begin{aligned}
    v_1 &= \lVert g_1 \rVert^2 \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) \lVert g_t \rVert^2 \\
    m_t &= \beta_1 m_{t-1} + \frac{g_t}{\sqrt{v_t} + \epsilon} + \lambda\, p_{t-1} \\
    u_t &= -\eta\, m_t
    \end{aligned}$$

    A layer is one array of the parameter tree; v is one number for each.

    Args:
        learning_rate: eta > 0, in units of p: a layer moves by about eta / (1 - b1) in a step.
        b1: beta_1 in [0, 1): m sums about 1 / (1 - b1) directions.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared norms.
        eps: epsilon >= 0, in units of g.
        weight_decay: lambda >= 0, in 1 / p; it passes through the momentum. None for none, and params are not needed.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where decay needs params not given.
    """

    learning_rate: Rate
    b1: Decay = 0.95
    b2: Decay = 0.98
    eps: NonNegative = 1e-8
    weight_decay: NonNegative | None = None

    class Memory(NamedTuple):
        m: Array  # shaped as p, without unit
        v: Array  # (), in units of g**2

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return () if self.weight_decay is None else ("params",)

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros(()))

    def step(self, g, memory, p, t):
        square = jnp.sum(jnp.square(g))
        v = jnp.where(t == 1, square, ema(memory.v, square, self.b2))
        d = g / (safe_sqrt(v) + self.eps)
        if self.weight_decay is not None:
            d = d + self.weight_decay * p
        m = self.b1 * memory.m + d
        return -self.learning_rate * m, self.Memory(m, v)
