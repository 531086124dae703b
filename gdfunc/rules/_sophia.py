from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import lax

from ..core import Debias, Decay, NonNegative, Positive, Rate, Tree, TreeRule, debias, ema, rule, tree_map
from ._hutchinson import hessian_diagonal
from ._whole_tree import zeros_like


@rule
class Sophia(TreeRule):
    r"""Momentum over the Hessian's diagonal, entry by entry no farther than the rate (Liu et al. 2024, ICLR, <https://arxiv.org/abs/2305.14342>, Algorithm 3, Sophia-H).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \\
    h_t &= \begin{cases}
        \beta_2 h_{t-1} + (1-\beta_2)\, z \odot (\nabla^2 f_t\, z) & t \equiv 1 \pmod k,\ z \in \{-1, 1\}^n \text{ at random} \\
        h_{t-1} & \text{otherwise}
    \end{cases} \\
    u_t &= -\eta\, \mathrm{clip}(m_t / \max\{\gamma h_t, \epsilon\},\ \rho) - \eta \lambda\, p_{t-1}
    \end{aligned}$$

    Where the curvature is negative or small, the step is the rate times the sign of m. It needs grad_fn, and a `key`,
    another one at every step.

    Args:
        learning_rate: eta >= 0, in units of p: the most that a parameter moves in a step, but for the decay.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): h remembers about 1 / (1 - b2) estimates.
        gamma: gamma > 0, in units of p: curvature is taken this much smaller, so that most entries are not clipped.
        eps: epsilon > 0, in units of g: the least denominator.
        clip: rho > 0, without unit.
        weight_decay: lambda >= 0, in 1 / p: the share of p lost for every unit of rate.
        update_interval: k >= 1, the steps from one estimate to the next.
        refresh: "before" the step, as published: h_t divides m_t; "after" it: h_{t-1} does, as in Optax.
        debias: "none", as published; "exact" or "power" divide m by 1 - beta_1**t.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where something needed is not given.
    """

    learning_rate: Rate
    b1: Decay = 0.96
    b2: Decay = 0.99
    gamma: Positive = 0.01
    eps: Positive = 1e-12
    clip: Positive = 1.0
    weight_decay: NonNegative = 0.2
    update_interval: int = 10
    refresh: Literal["before", "after"] = "before"
    debias: Debias = "none"

    needs = ("params", "grad_fn", "key")

    class Memory(NamedTuple):
        m: Tree  # shaped as params, in units of g
        h: Tree  # shaped as params, in units of g per unit of p

    def __post_init__(self):
        super().__post_init__()
        if self.update_interval < 1:
            raise ValueError(f"Sophia needs update_interval >= 1, and was given {self.update_interval}")

    def start(self, params):
        return self.Memory(m=zeros_like(params), h=zeros_like(params))

    def step(self, grads, memory, params, t, grad_fn, key):
        m = tree_map(lambda m, g: ema(m, g, self.b1), memory.m, grads)
        m_hat = tree_map(lambda m: m / debias(self.b1, t, self.debias), m)

        def estimate(h):
            new = hessian_diagonal(grad_fn, params, key)
            return tree_map(lambda h, x: ema(h, x, self.b2).astype(h.dtype), h, new)

        h = lax.cond((t - 1) % self.update_interval == 0, estimate, lambda h: h, memory.h)
        used = h if self.refresh == "before" else memory.h
        step = tree_map(
            lambda m, h: jnp.clip(m / jnp.maximum(self.gamma * h, self.eps), -self.clip, self.clip), m_hat, used
        )
        updates = tree_map(lambda x, p: -self.learning_rate * (x + self.weight_decay * p), step, params)
        return updates, self.Memory(m, h)
