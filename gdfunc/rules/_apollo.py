from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Decay, NonNegative, Positive, Rate, Scalar, debias, ema, rule, safe_norm, safe_sqrt
from ._matrix import MatrixRule, need_at_least_one


@rule
class APOLLO(MatrixRule):
    r"""APOLLO: the raw gradient, each channel scaled as Adam scales a small random projection of it (Zhu et al. 2024, <https://arxiv.org/abs/2412.05270>, Algorithm 1).

    $$\begin{aligned}
    R_t &= P G_t \qquad P_{ij} \sim N(0, 1/r) \\
    M_t &= \beta_1 M_{t-1} + (1-\beta_1) R_t \qquad V_t = \beta_2 V_{t-1} + (1-\beta_2) R_t^2 \qquad
    \tilde R_t = \hat M_t / (\sqrt{\hat V_t} + \epsilon) \\
    s_j &= \lVert \tilde R_{t, :j} \rVert / \lVert R_{t, :j} \rVert \qquad
    \tilde G_t = \alpha\, G_t\, \mathrm{diag}(s) \\
    \tilde G_t &\leftarrow \tilde G_t \min(1, \gamma \lVert \tilde G_{t-1} \rVert / \lVert \tilde G_t \rVert)
    \qquad u_t = -\eta\, \tilde G_t
    \end{aligned}$$

    So for a matrix with no more rows than columns; one with more is transposed first. Everything but matrices (two axes)
    gets Adam, without alpha and gamma. APOLLO-Mini is
    `APOLLO(learning_rate, rank=1, scaling="tensor", scale=128**0.5)`.

    Args:
        learning_rate: eta > 0, in units of p: about the most that an entry moves in a step.
        rank: r >= 1; a matrix's smaller side where that is less.
        gap: T >= 1, in steps: how long a projection is kept before the next one is drawn.
        scale: alpha, without unit.
        scaling: "channel": a scale s_j for each entry of the longer side; "tensor": one for the whole matrix, the ratio
            of the two norms.
        growth: gamma > 0, without unit: the norm of G tilde grows by no more than this factor in a step (1.01 in the
            paper), and as it likes after a zero; None for no limit.
        b1: beta_1 in [0, 1): M remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): V remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        seed: the projections' seed. They are drawn anew at every step from it and the number of the projection, so that
            they take no memory; leaves of one size share theirs.

    Raises:
        ValueError: where a hyperparameter leaves its range.

    A channel whose projection is zero does not move.
    """

    learning_rate: Rate
    rank: int = 256
    gap: int = 200
    scale: Scalar = 1.0
    scaling: Literal["channel", "tensor"] = "channel"
    growth: Positive | None = 1.01
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    seed: int = 0

    class Memory(NamedTuple):
        m: Array  # (r, the longer side), in units of g; shaped as p unless it is a matrix
        v: Array  # shaped as m, in units of g**2
        norm: Array | None  # (), the last norm of G tilde, without unit; None where growth is

    def __post_init__(self):
        super().__post_init__()
        need_at_least_one(self, "rank", "gap")

    def start(self, p):
        norm = None if self.growth is None else jnp.zeros(())
        shape = (min(self.rank, *p.shape), max(p.shape)) if p.ndim == 2 else p.shape
        return self.Memory(jnp.zeros(shape, p.dtype), jnp.zeros(shape, p.dtype), norm)

    def step(self, g, memory, p, t):
        matrix = g.ndim == 2
        G = g.T if matrix and g.shape[0] > g.shape[1] else g
        R = self._projection(len(memory.m), len(G), t, g.dtype) @ G if matrix else G
        m = ema(memory.m, R, self.b1)
        v = ema(memory.v, R**2, self.b2)
        m_hat = m / debias(self.b1, t)
        v_hat = v / debias(self.b2, t)
        R_scaled = m_hat / (safe_sqrt(v_hat) + self.eps)
        if not matrix:
            return -self.learning_rate * R_scaled, self.Memory(m, v, memory.norm)
        axis = 0 if self.scaling == "channel" else None
        s = _ratio(safe_norm(R_scaled, axis), safe_norm(R, axis))
        G_scaled, norm = self.scale * G * s, None
        if self.growth is not None:
            norm, limit = safe_norm(G_scaled), self.growth * memory.norm
            limited = (memory.norm > 0) & (norm > limit)
            G_scaled = jnp.where(limited, _ratio(limit, norm), 1) * G_scaled
            norm = jnp.where(limited, limit, norm)
        u = -self.learning_rate * (G_scaled.T if G_scaled.shape != g.shape else G_scaled)
        return u, self.Memory(m, v, norm)

    def _projection(self, r, n, t, dtype):
        # Drawn as float32 whatever the gradient: another dtype's numbers are others.
        key = jax.random.fold_in(jax.random.key(self.seed), (t - 1) // self.gap)
        return jax.random.normal(key, (r, n), jnp.float32).astype(dtype) / r**0.5


def _ratio(a, b):
    """a / b, and 0 where b is."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)
