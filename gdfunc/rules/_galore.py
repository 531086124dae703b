from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Debias, Decay, NonNegative, Rate, Scalar, debias, ema, rule, safe_sqrt
from ._matrix import MatrixRule, need_at_least_one


@rule
class GaLore(MatrixRule):
    r"""GaLore: Adam on the gradient's projection to the few directions in which a recent one was largest (Zhao et al. 2024, ICML, <https://arxiv.org/abs/2403.03507>, Algorithm 2).

    $$\begin{aligned}
    P_t &= \text{the first } r \text{ left singular vectors of } G_t \text{ every } T \text{ steps, else } P_{t-1} \\
    R_t &= P_t^\top G_t \\
    M_t &= \beta_1 M_{t-1} + (1-\beta_1) R_t \qquad V_t = \beta_2 V_{t-1} + (1-\beta_2) R_t^2 \\
    u_t &= -\eta\, \alpha\, P_t \left( \hat M_t / (\sqrt{\hat V_t} + \epsilon) \right)
    \end{aligned}$$

    So for a matrix with no more rows than columns; one with more is transposed first. Everything but matrices (two axes)
    gets Adam, without alpha.

    Args:
        learning_rate: eta > 0, in units of p.
        rank: r >= 1; a matrix's smaller side where that is less.
        gap: T >= 1, in steps: how long a projection is kept. M and V stay as they are when it changes.
        scale: alpha, without unit: the rate of matrices relative to that of the others.
        b1: beta_1 in [0, 1): M remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): V remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        project: "shorter": the shorter side shrinks to r, as in the paper; "longer": the longer one, as in Optax, which
            leaves less to remember.
        signs: of the singular vectors, which no decomposition fixes: "aligned" turns each new one to the side of the one
            that it replaces, so that M means the same before and after, on every platform; "platform" takes them as they
            come, as Optax does.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range.

    The projection is a constant to derivatives: singular vectors have none where two singular values are equal. The
    paper does not say which sign they have.
    """

    learning_rate: Rate
    rank: int = 128
    gap: int = 200
    scale: Scalar = 0.25
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    project: Literal["shorter", "longer"] = "shorter"
    signs: Literal["aligned", "platform"] = "aligned"
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # (r, the other side), in units of g; shaped as p unless it is a matrix
        v: Array  # shaped as m, in units of g**2
        P: Array  # (the projected side, r), orthonormal columns; changes every T steps; empty unless p is a matrix

    def __post_init__(self):
        super().__post_init__()
        need_at_least_one(self, "rank", "gap")

    def start(self, p):
        if p.ndim != 2:
            return self.Memory(jnp.zeros_like(p), jnp.zeros_like(p), jnp.zeros((0, 0), p.dtype))
        projected, other = p.shape if self._left(p.shape) else p.shape[::-1]
        r = min(self.rank, *p.shape)
        low = lambda: jnp.zeros((r, other), p.dtype)  # noqa: E731
        return self.Memory(low(), low(), jnp.zeros((projected, r), p.dtype))

    def step(self, g, memory, p, t):
        m, v, P = memory
        matrix = g.ndim == 2
        G = g.T if matrix and not self._left(g.shape) else g
        if matrix:
            due = (t - 1) % self.gap == 0
            P = jax.lax.cond(due, _aligned if self.signs == "aligned" else _singular_vectors, _keep, G, P)
        R = P.T @ G if matrix else G
        m = ema(m, R, self.b1)
        v = ema(v, R**2, self.b2)
        m_hat = m / debias(self.b1, t, self.debias)
        v_hat = v / debias(self.b2, t, self.debias)
        N = m_hat / (safe_sqrt(v_hat) + self.eps)
        d = self.scale * P @ N if matrix else N
        u = -self.learning_rate * (d.T if d.shape != g.shape else d)
        return u, self.Memory(m, v, P)

    def _left(self, shape):
        """Whether the rows are projected."""
        rows, columns = shape
        return rows <= columns if self.project == "shorter" else rows >= columns


# Named functions, not lambdas: outside jit a new function would be compiled anew at every step.
def _singular_vectors(G, P):
    return jnp.linalg.svd(jax.lax.stop_gradient(G), full_matrices=False)[0][:, : P.shape[1]]


def _aligned(G, P):
    new = _singular_vectors(G, P)
    return jnp.where(jnp.sum(new * P, axis=0) < 0, -new, new)


def _keep(G, P):
    return P
