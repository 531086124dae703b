from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Fraction, Rate, rule


@rule
class SGD(ArrayRule):
    r"""Gradient descent, with momentum in the classical or Nesterov's form (Sutskever, Martens, Dahl & Hinton 2013, ICML, <https://proceedings.mlr.press/v28/sutskever13.html>, eq. 1-4).

    $$\begin{aligned}
    b_t &= \mu\, b_{t-1} + (1-\tau)\, \eta g_t \\
    u_t &= -b_t \qquad \text{Nesterov: } u_t = -(\eta g_t + \mu\, b_t)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p / g: below 2 / curvature for a quadratic to converge.
        momentum: mu in [0, 1): the velocity remembers about 1 / (1 - mu) gradients; None for plain descent, which keeps
            no memory.
        dampening: tau in [0, 1]: the share of each gradient that is kept out of the velocity.
        nesterov: whether to look ahead. The paper takes the gradient at p + mu b; this is the same method written in
            that point's coordinates, so that the gradient is taken at p.
        momentum_at: "after_rate" accumulates eta g, as in the paper; "before_rate" accumulates g and multiplies the
            velocity by eta, as Optax and PyTorch do. They differ where eta changes in time.
        first_step: "dampened" like the others; "copied": the first velocity is the whole gradient, as in PyTorch.

    Raises:
        ValueError: where a hyperparameter leaves its range, or Nesterov is asked for without momentum.
    """

    learning_rate: Rate
    momentum: Decay | None = None
    dampening: Fraction = 0.0
    nesterov: bool = False
    momentum_at: Literal["after_rate", "before_rate"] = "after_rate"
    first_step: Literal["dampened", "copied"] = "dampened"

    class Memory(NamedTuple):
        b: Array  # shaped as p, in units of p (after_rate) or g (before_rate)

    def __post_init__(self):
        super().__post_init__()
        if self.nesterov and self.momentum is None:
            raise ValueError("SGD needs momentum where nesterov=True, and was given momentum=None")

    def start(self, p):
        return () if self.momentum is None else self.Memory(b=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        if self.momentum is None:
            return -self.learning_rate * g, memory
        x = self.learning_rate * g if self.momentum_at == "after_rate" else g
        kept = (1 - self.dampening) * x
        if self.first_step == "copied":
            kept = jnp.where(t == 1, x, kept)
        b = self.momentum * memory.b + kept
        d = x + self.momentum * b if self.nesterov else b
        u = -d if self.momentum_at == "after_rate" else -self.learning_rate * d
        return u, self.Memory(b)
