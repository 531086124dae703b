from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Rate, debias, ema, root_with_eps, rule


@rule
class RMSprop(ArrayRule):
    r"""RMSprop: the gradient over the root of its square's average (Tieleman & Hinton 2012, lecture 6.5; centered, with momentum: Graves 2013, <https://arxiv.org/abs/1308.0850>, eq. 38-41).

    $$\begin{aligned}
    v_t &= \beta v_{t-1} + (1-\beta) g_t^2 \qquad \text{centered: } m_t = \beta m_{t-1} + (1-\beta) g_t \\
    d_t &= g_t / \sqrt{v_t - m_t^2 + \epsilon} \\
    b_t &= \mu\, b_{t-1} + \eta\, d_t \qquad u_t = -b_t \quad \text{Nesterov: } u_t = -(\eta\, d_t + \mu\, b_t)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: about how far each parameter moves in a step.
        decay: beta in [0, 1): v (and m) remember about 1 / (1 - beta) gradients.
        eps: epsilon >= 0, in units of g**2 inside the root, of g outside.
        momentum: mu in [0, 1); None for none, and no velocity is kept.
        centered: whether to subtract the squared mean: v becomes a variance.
        nesterov: whether the velocity looks ahead.
        initial_v: v_0 >= 0, in units of g**2.
        eps_at: "inside" the root, as Graves has it; "outside", as PyTorch.
        momentum_at: "after_rate": the velocity adds eta d, as Graves has it; "before_rate": eta multiplies the velocity,
            as PyTorch. They differ where eta changes in time.
        debias: "none", as published; "exact" or "power" divide v and m by 1 - beta**t, as Adam does.

    Raises:
        ValueError: where a hyperparameter leaves its range, or Nesterov is asked for without momentum.
    """

    learning_rate: Rate
    decay: Decay = 0.9
    eps: NonNegative = 1e-8
    momentum: Decay | None = None
    centered: bool = False
    nesterov: bool = False
    initial_v: NonNegative = 0.0
    eps_at: Literal["inside", "outside"] = "inside"
    momentum_at: Literal["after_rate", "before_rate"] = "after_rate"
    debias: Debias = "none"

    class Memory(NamedTuple):
        v: Array  # shaped as p, in units of g**2
        m: Array | None  # shaped as p, in units of g; None unless centered
        b: Array | None  # shaped as p, in units of p (after_rate) or none (before_rate); None without momentum

    def __post_init__(self):
        super().__post_init__()
        if self.nesterov and self.momentum is None:
            raise ValueError("RMSprop needs momentum where nesterov=True, and was given momentum=None")

    def start(self, p):
        return self.Memory(
            v=jnp.full_like(p, self.initial_v),
            m=jnp.zeros_like(p) if self.centered else None,
            b=None if self.momentum is None else jnp.zeros_like(p),
        )

    def step(self, g, memory, p, t):
        correction = debias(self.decay, t, self.debias)
        m, v = None, ema(memory.v, g**2, self.decay)
        spread = v / correction
        if self.centered:
            m = ema(memory.m, g, self.decay)
            spread = jnp.maximum(spread - (m / correction) ** 2, 0)  # a variance that rounding makes negative is none
        d = g / root_with_eps(spread, self.eps, self.eps_at)
        if self.momentum is None:
            return -self.learning_rate * d, self.Memory(v, m, None)
        x = self.learning_rate * d if self.momentum_at == "after_rate" else d
        b = self.momentum * memory.b + x
        ahead = x + self.momentum * b if self.nesterov else b
        u = -ahead if self.momentum_at == "after_rate" else -self.learning_rate * ahead
        return u, self.Memory(v, m, b)
