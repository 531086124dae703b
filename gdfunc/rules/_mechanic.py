from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import NonNegative, Positive, Tree, Wrapper, rule, safe_sqrt, tree_dot, tree_norm
from ._counts import check_count, scalar


@rule
class Mechanic(Wrapper):
    r"""Mechanic: learns the factor by which to multiply a rule's updates (Cutkosky, Defazio & Mehta 2023, NeurIPS, <https://arxiv.org/abs/2306.00144>, Algorithm 1).

    $$\begin{aligned}
    \Delta_{t+1} &= \Delta_t + u_t \qquad S_t = \textstyle\sum_i s_{t,i} \\
    h_t &= -\Big\langle \Delta_t,\; g_t + \lambda S_t \lVert g_t \rVert\, \frac{x_t}{\lVert x_t \rVert + \epsilon} \Big\rangle \\
    m_t &= \max(\beta m_{t-1}, |h_t| + \epsilon) \qquad v_t = \beta^2 v_{t-1} + h_t^2 \\
    r_t &= \beta r_{t-1} + s_t \min(\max(h_t, -m_{t-1}), m_{t-1}) \\
    s_{t+1} &= \frac{s_\mathrm{init}\, m_t / n + \max(0, r_t)}{\sqrt{v_t} + \epsilon} \qquad
    x_{t+1} = x_1 + S_{t+1} \Delta_{t+1}
    \end{aligned}$$

    A gambler who bets S on the rule's path Delta: h is what the last bet won. n copies with decays beta_i = 1 - 10**-i
    share the stake. The rule inside keeps its schedule; its rate only sets the unit. h is clipped, s starts at s_init and
    r may be negative as in the authors' JAX code, which made the paper's experiments; in Algorithm 1 h is not clipped, s
    starts at 0, and r ends there too.

    Args:
        inner: the rule whose updates are u_t.
        weight_decay: lambda >= 0, no unit: pulls the factor down where the parameters grow.
        eps: epsilon > 0: keeps the quotients finite.
        s_init: s_init > 0, no unit: the factor of each copy before the first step. 1e-8 in the paper, 1e-6 in Optax.
        num_betas: n >= 1: the decays run from 0.9 to 1 - 10**-n.
        delta: "kept" in memory, as in Algorithm 1; "recovered" as (x_t - x_1) / (S_t + eps), which saves the memory, as in
            the authors' code and Optax: in float32 a small first factor is then lost in the rounding of x, and nothing
            ever moves.

    Raises:
        ValueError: where a number leaves its range or `inner` is no rule, and from `update` without params.
    """

    inner: Any
    weight_decay: NonNegative = 0.01
    eps: Positive = 1e-8
    s_init: Positive = 1e-8
    num_betas: int = 6
    delta: Literal["kept", "recovered"] = "kept"

    wants = ("params",)

    class Memory(NamedTuple):
        start: Tree  # alike params, x_1; never changes
        delta: Tree | None  # alike params, in units of p; None where recovered
        s: Array  # (n,), no unit
        m: Array  # (n,), in units of <u, g>
        v: Array  # (n,), in units of <u, g>**2
        r: Array  # (n,), in units of <u, g>

    def __post_init__(self):
        super().__post_init__()
        check_count(self, "num_betas")

    def start(self, params):
        fill = lambda x: jnp.full((self.num_betas,), scalar(x, params))  # noqa: E731
        first = jax.tree.map(lambda p: jnp.array(p, copy=True), params)
        delta = jax.tree.map(jnp.zeros_like, params) if self.delta == "kept" else None
        return self.Memory(first, delta, s=fill(self.s_init), m=fill(0), v=fill(0), r=fill(0))

    def step(self, grads, memory, inner_state, params, t, update):
        updates, inner_state = update(grads, inner_state, params)
        beta = 1 - 0.1 ** jnp.arange(1.0, self.num_betas + 1)
        S = jnp.sum(memory.s)
        delta = memory.delta
        if delta is None:
            delta = jax.tree.map(lambda x, x_1: (x - x_1) / (S + self.eps), params, memory.start)
        pull = self.weight_decay * S * tree_norm(grads) / (tree_norm(params) + self.eps)
        h = -tree_dot(delta, jax.tree.map(lambda g, x: g + pull * x, grads, params))
        won = jnp.clip(h, -memory.m, memory.m)
        m = jnp.maximum(beta * memory.m, jnp.abs(h) + self.eps)
        v = beta**2 * memory.v + h**2
        r = beta * memory.r + memory.s * won
        wealth = self.s_init * m / self.num_betas + jnp.maximum(0, r)
        s = wealth / (safe_sqrt(v) + self.eps)
        delta = jax.tree.map(jnp.add, delta, updates)
        new = jax.tree.map(lambda x, x_1, d: x_1 + jnp.sum(s) * d - x, params, memory.start, delta)
        kept = None if memory.delta is None else delta
        return new, self.Memory(memory.start, kept, s, m, v, r), inner_state
