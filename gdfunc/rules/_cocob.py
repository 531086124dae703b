from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Positive, rule


@rule
class COCOB(ArrayRule):
    r"""COCOB: bets on every coordinate, with no learning rate (Orabona & Tommasi 2017, NeurIPS, <https://arxiv.org/abs/1705.07795>, Algorithm 2).

    $$\begin{aligned}
    L_t &= \max(L_{t-1}, |g_t|, \epsilon) \qquad G_t = G_{t-1} + |g_t| \\
    R_t &= \max\bigl(R_{t-1} - (p_{t-1} - p_0)\, g_t,\, 0\bigr) \qquad \theta_t = \theta_{t-1} - g_t \\
    p_t &= p_0 + \frac{\theta_t}{L_t \max(G_t + L_t,\, \alpha L_t)} (L_t + R_t) \qquad u_t = p_t - p_{t-1}
    \end{aligned}$$

    A gambler's wealth L + R is what the coordinate's moves have earned; the bet is a share of it, and its sign is that of the
    gradients so far. All of it is relative to p_0, the parameters at `init`: give it the ones training starts from.
    A constant factor on every gradient changes nothing. Wherever else the parameters were moved, the next update undoes it.

    Args:
        alpha: alpha > 0, without unit: the first step is 1 / alpha in units of p (for alpha >= 2), and bets stay as
            cautious until the sizes of the gradients add up to alpha times the largest.
        eps: epsilon > 0, in units of g: the least that the largest gradient is taken for; the paper has 0, and 0 / 0 where a
            gradient is zero from the start.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    alpha: Positive = 100.0
    eps: Positive = 1e-8

    needs = ("params",)

    class Memory(NamedTuple):
        p0: Array  # shaped as p, in units of p
        L: Array  # shaped as p, in units of g: the largest gradient
        G: Array  # shaped as p, in units of g: the sum of sizes
        R: Array  # shaped as p, in units of g: the reward, counted in unit steps
        theta: Array  # shaped as p, in units of g: minus the sum of gradients

    def start(self, p):
        zeros = {name: jnp.zeros_like(p) for name in ("L", "G", "R", "theta")}
        return self.Memory(p0=jnp.array(p, copy=True), **zeros)

    def step(self, g, memory, p, t):
        moved = p - memory.p0
        L = jnp.maximum(jnp.maximum(memory.L, jnp.abs(g)), self.eps)
        G = memory.G + jnp.abs(g)
        R = jnp.maximum(memory.R - moved * g, 0)
        theta = memory.theta - g
        bet = theta / (L * jnp.maximum(G + L, self.alpha * L)) * (L + R)
        return bet - moved, self.Memory(memory.p0, L, G, R, theta)
