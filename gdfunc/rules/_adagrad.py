from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, NonNegative, Rate, root_with_eps, rule


@rule
class Adagrad(ArrayRule):
    r"""Adagrad: the gradient over the root of the sum of its squares (Duchi, Hazan & Singer 2011, JMLR 12, <https://jmlr.org/papers/v12/duchi11a.html>, Figure 1, diagonal).

    $$\begin{aligned}
    s_t &= s_{t-1} + g_t^2 \\
    u_t &= -\eta\, g_t / (\sqrt{s_t} + \epsilon)
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: the first step's size.
        eps: epsilon >= 0 (the paper's delta), in units of g (of g**2 inside the root).
        initial_accumulator: s_0 >= 0, in units of g**2: damps the first steps.
        eps_at: "outside" the root, as in the paper; "inside" it, as in Optax.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    eps: NonNegative = 1e-10
    initial_accumulator: NonNegative = 0.0
    eps_at: Literal["outside", "inside"] = "outside"

    class Memory(NamedTuple):
        s: Array  # shaped as p, in units of g**2; never falls

    def start(self, p):
        return self.Memory(s=jnp.full_like(p, self.initial_accumulator))

    def step(self, g, memory, p, t):
        s = memory.s + g**2
        denominator = root_with_eps(s, self.eps, self.eps_at)
        return -self.learning_rate * g / denominator, self.Memory(s)
