from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt
from ._matrix import MatrixRule, as_matrix, eigenvectors, need_at_least_one, orthonormal


@rule
class SOAP(MatrixRule):
    r"""SOAP: Adam in the slowly turning eigenbasis of Shampoo's L and R (Vyas et al. 2024, <https://arxiv.org/abs/2409.11321>, Algorithms 3 and 4).

    $$\begin{aligned}
    G'_t &= Q_L^\top G_t Q_R \qquad M_t = \beta_1 M_{t-1} + (1-\beta_1) G_t \qquad M'_t = Q_L^\top M_t Q_R \\
    V_t &= \beta_2 V_{t-1} + (1-\beta_2)\, G'_t \odot G'_t \\
    u_t &= -\eta\, Q_L \left( \hat M'_t / (\sqrt{\hat V_t} + \epsilon) \right) Q_R^\top \\
    L_t &= \beta_2 L_{t-1} + (1-\beta_2) G_t G_t^\top \qquad R_t = \beta_2 R_{t-1} + (1-\beta_2) G_t^\top G_t \\
    Q_L &\leftarrow \mathrm{QR}(L_t Q_L) \qquad Q_R \leftarrow \mathrm{QR}(R_t Q_R)
    \qquad \text{every } f \text{ steps}
    \end{aligned}$$

    The first gradient moves no matrix: as in the authors' code it only gives L and R, whose eigenvectors are the first
    Q_L and Q_R. Every later one is rotated into a basis that it had no part in; t counts from there. Scalars and vectors
    get Adam, from the first gradient on, with the same rate and decays. Of an array of three axes and more all but the
    last are taken together as rows. Axes of n entries cost n**2 numbers: give long ones another rule with `by_path`.

    Args:
        learning_rate: eta > 0, in units of p: about the most that an entry moves in the rotated basis.
        b1: beta_1 in [0, 1): M remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): V, L and R remember about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        frequency: f >= 1, in steps: how often the basis takes one step of the power iteration, by a QR decomposition.

    Raises:
        ValueError: where a hyperparameter leaves its range.

    The eigenvectors of the first gradient are constants to derivatives (they have none where two eigenvalues are equal);
    no hyperparameter changes them. The QR steps are differentiated, but for directions that no gradient has had yet.
    """

    learning_rate: Rate
    b1: Decay = 0.95
    b2: Decay = 0.95
    eps: NonNegative = 1e-8
    frequency: int = 10

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2, in the rotated basis
        L: Array  # (rows, rows), in units of g**2; this and the next three are empty for a vector
        R: Array  # (columns, columns), in units of g**2
        Q_L: Array  # (rows, rows), orthogonal; changes every f steps
        Q_R: Array  # (columns, columns), orthogonal; changes every f steps

    def __post_init__(self):
        super().__post_init__()
        need_at_least_one(self, "frequency")

    def start(self, p):
        rows, columns = as_matrix(p).shape if p.ndim > 1 else (0, 0)
        square = lambda n: jnp.zeros((n, n), p.dtype)  # noqa: E731
        return self.Memory(
            jnp.zeros_like(p), jnp.zeros_like(p), square(rows), square(columns), square(rows), square(columns)
        )

    def step(self, g, memory, p, t):
        if g.ndim < 2:
            m, v = ema(memory.m, g, self.b1), ema(memory.v, g**2, self.b2)
            m_hat, v_hat = m / debias(self.b1, t), v / debias(self.b2, t)
            return -self.learning_rate * m_hat / (safe_sqrt(v_hat) + self.eps), memory._replace(m=m, v=v)
        _, _, L, R, Q_L, Q_R = memory
        G, M, V = as_matrix(g), as_matrix(memory.m), as_matrix(memory.v)
        counted, steps = t > 1, jnp.maximum(t - 1, 1)
        G_rotated = Q_L.T @ G @ Q_R
        M = jnp.where(counted, ema(M, G, self.b1), M)
        V = jnp.where(counted, ema(V, G_rotated**2, self.b2), V)
        M_rotated = Q_L.T @ M @ Q_R
        M_hat, V_hat = M_rotated / debias(self.b1, steps), V / debias(self.b2, steps)
        N = M_hat / (safe_sqrt(V_hat) + self.eps)
        u = jnp.where(counted, -self.learning_rate * Q_L @ N @ Q_R.T, 0)
        L, R = ema(L, G @ G.T, self.b2), ema(R, G.T @ G, self.b2)
        case = jnp.where(t == 1, 0, jnp.where((t - 1) % self.frequency == 0, 1, 2))
        Q_L, Q_R = (jax.lax.switch(case, (_first, _power_step, _keep), P, Q) for P, Q in ((L, Q_L), (R, Q_R)))
        shape = g.shape
        return u.reshape(shape), self.Memory(M.reshape(shape), V.reshape(shape), L, R, Q_L, Q_R)


# Named functions, not lambdas: outside jit a new function would be compiled anew at every step.
def _first(P, Q):
    return eigenvectors(P)


def _power_step(P, Q):
    return orthonormal(P @ Q)


def _keep(P, Q):
    return Q
