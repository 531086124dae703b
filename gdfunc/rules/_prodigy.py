from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import (
    Debias,
    Decay,
    NonNegative,
    Positive,
    Rate,
    Tree,
    TreeRule,
    debias,
    ema,
    rule,
    safe_sqrt,
    tree_dot,
    tree_map,
    tree_sub,
)
from ._whole_tree import copies, ratio, scalar_like, tree_l1, zeros_like


@rule
class Prodigy(TreeRule):
    r"""Adam with a rate found on the way, from how far the gradients say one has to go (Mishchenko & Defazio 2024, ICML, <https://arxiv.org/abs/2306.06101>, Algorithm 4).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) d_t g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) d_t^2 g_t^2 \\
    r_t &= \beta_3 r_{t-1} + (1-\beta_3) \gamma_t d_t^2 \langle g_t, p_0 - p_{t-1} \rangle \\
    s_t &= \beta_3 s_{t-1} + (1-\beta_3) \gamma_t d_t^2 g_t \\
    d_{t+1} &= \max\{d_t,\ c\, r_t / \lVert s_t \rVert_1\} \\
    u_t &= -\gamma_t d_t\, m_t / (\sqrt{v_t} + d_t \epsilon) - \gamma_t d_t \lambda\, p_{t-1}
    \end{aligned}$$

    Inner product and norm are those of the whole tree.

    Args:
        learning_rate: gamma >= 0, without unit: multiplies the rate found; 1, or a schedule that begins and ends there.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        b3: beta_3 in [0, 1): likewise for r and s; None for the root of b2, as in the paper.
        eps: epsilon >= 0, in units of g.
        first_d: d_1 > 0, in units of p: smaller than any sensible rate; it grows by itself.
        d_coefficient: c > 0, without unit: multiplies the estimate of d.
        weight_decay: lambda >= 0, in 1 / p: the share of p lost for every unit of rate.
        safeguard_warmup: leaves gamma_t out of s_t, so that a long warm-up does not make d too large.
        eps_scale: "d" multiplies epsilon by d_t, as published; "next_d" by d_{t+1}, as the authors' code and Optax.
        debias: "none", as published; "exact" or "power" multiply gamma_t by sqrt(1 - beta_2**t) / (1 - beta_1**t).

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate = 1.0
    b1: Decay = 0.9
    b2: Decay = 0.999
    b3: Decay | None = None
    eps: NonNegative = 1e-8
    first_d: Positive = 1e-6
    d_coefficient: Positive = 1.0
    weight_decay: NonNegative = 0.0
    safeguard_warmup: bool = False
    eps_scale: Literal["d", "next_d"] = "d"
    debias: Debias = "none"

    needs = ("params",)

    class Memory(NamedTuple):
        m: Tree  # shaped as params, in units of p g
        v: Tree  # shaped as params, in units of p**2 g**2
        s: Tree  # shaped as params, in units of p**2 g
        x0: Tree  # the first parameters
        r: Array  # (), in units of p**3 g
        d: Array  # (), in units of p

    def start(self, params):
        zero, d = scalar_like(params, 0.0), scalar_like(params, self.first_d)
        return self.Memory(zeros_like(params), zeros_like(params), zeros_like(params), copies(params), zero, d)

    def step(self, grads, memory, params, t):
        d = memory.d
        b3 = self.b2**0.5 if self.b3 is None else self.b3
        correction = debias(self.b2, t, self.debias) ** 0.5 / debias(self.b1, t, self.debias)
        gamma = self.learning_rate * correction
        m = tree_map(lambda m, g: ema(m, d * g, self.b1), memory.m, grads)
        v = tree_map(lambda v, g: ema(v, (d * g) ** 2, self.b2), memory.v, grads)
        ahead = tree_dot(grads, tree_sub(memory.x0, params))
        r = ema(memory.r, gamma * d**2 * ahead, b3)
        weight = d**2 if self.safeguard_warmup else gamma * d**2
        s = tree_map(lambda s, g: ema(s, weight * g, b3), memory.s, grads)
        d_hat = self.d_coefficient * ratio(r, tree_l1(s))
        next_d = jnp.maximum(d, d_hat)
        eps = self.eps * (d if self.eps_scale == "d" else next_d)
        updates = tree_map(
            lambda m, v, p: -gamma * d * (m / (safe_sqrt(v) + eps) + self.weight_decay * p), m, v, params
        )
        return updates, self.Memory(m, v, s, memory.x0, r, next_d)
