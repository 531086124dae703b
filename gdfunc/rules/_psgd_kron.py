from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import solve_triangular

from ..core import Decay, NonNegative, Positive, Range, Rate, ema, rule
from ._matrix import MatrixRule, as_matrix


@rule
class PSGDKron(MatrixRule):
    r"""PSGD Kron: the gradient whitened by a Kronecker product of triangular matrices, fitted as training runs (Li 2022, <https://arxiv.org/abs/2211.04422>).

    It minimises $\langle g, P g \rangle + \mathrm{E}_v \langle v, P^{-1} v \rangle$ over $P = Q^\top Q$ with
    $Q = Q_R \otimes Q_L$ by relative gradient steps in the group of upper triangular matrices. The expectation over
    $v \sim N(0, I)$, and over noise of size $\delta$ added to g, is taken in closed form, so that no random numbers are
    needed.

    $$\begin{aligned}
    A &= Q_L G_t Q_R^\top \qquad m_t = \beta m_{t-1} + (1-\beta) G_t \\
    S_L &= A A^\top + \delta^2 \lVert Q_R \rVert_F^2\, Q_L Q_L^\top \qquad
    T_L = \lVert Q_R^{-1} \rVert_F^2\, (Q_L Q_L^\top)^{-1} \\
    S_R &= A^\top A + \delta^2 \lVert Q_L \rVert_F^2\, Q_R Q_R^\top \qquad
    T_R = \lVert Q_L^{-1} \rVert_F^2\, (Q_R Q_R^\top)^{-1} \\
    Q_L &\leftarrow Q_L - \mu\, \frac{\mathrm{triu}(S_L - T_L)}{\lVert S_L + T_L \rVert_\infty} Q_L \qquad
    Q_R \leftarrow Q_R - \mu\, \frac{\mathrm{triu}(S_R - T_R)}{\lVert S_R + T_R \rVert_\infty} Q_R \\
    u_t &= -\eta\, Q_L^\top Q_L\, m_t\, Q_R^\top Q_R
    \end{aligned}$$

    A scalar or vector is a matrix of one column. Of an array of three axes and more all but the last are taken together
    as rows. Axes of n entries cost n**2 numbers: give long ones another rule with `by_path`.

    Args:
        learning_rate: eta > 0, in units of p: about the root mean square of an entry's step once Q is fitted.
        momentum: beta in [0, 1): m remembers about 1 / (1 - momentum) gradients.
        preconditioner_rate: mu in [0, 1), without unit: the most that a step changes Q by, relative to Q.
        initial_scale: s > 0, in units of 1 / g: P = s I at first, best about 1 / (the root mean square of g).
        damping: delta >= 0, in units of g: P never exceeds about 1 / delta, also where gradients are zero for long.

    Raises:
        ValueError: where a hyperparameter leaves its range.

    The norm that the step is divided by is the largest sum of a row's absolute values, an upper bound of the spectral
    norm: Q stays invertible for every mu < 1. The author's code estimates the spectral norm itself, draws v at random,
    and keeps a diagonal instead of a triangle along long axes.
    """

    learning_rate: Rate
    momentum: Decay = 0.0
    preconditioner_rate: Annotated[Any, Range(low=0.0, high=1.0, high_open=True)] = 0.1
    initial_scale: Positive = 1.0
    damping: NonNegative = 1e-9

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        Q_L: Array  # (rows, rows), upper triangular; with Q_R in units of g**-1/2
        Q_R: Array  # (columns, columns), upper triangular

    def start(self, p):
        factor = lambda n: jnp.eye(n) * self.initial_scale**0.25  # noqa: E731
        rows, columns = as_matrix(p).shape
        return self.Memory(m=jnp.zeros_like(p), Q_L=factor(rows), Q_R=factor(columns))

    def step(self, g, memory, p, t):
        m, Q_L, Q_R = memory
        G, m = as_matrix(g), ema(m, g, self.momentum)
        L_inverse, R_inverse = _inverse(Q_L), _inverse(Q_R)
        A = Q_L @ G @ Q_R.T
        S_L = A @ A.T + self.damping**2 * jnp.sum(Q_R**2) * Q_L @ Q_L.T
        S_R = A.T @ A + self.damping**2 * jnp.sum(Q_L**2) * Q_R @ Q_R.T
        T_L = jnp.sum(R_inverse**2) * L_inverse.T @ L_inverse
        T_R = jnp.sum(L_inverse**2) * R_inverse.T @ R_inverse
        Q_L = Q_L - self.preconditioner_rate * jnp.triu(S_L - T_L) / _norm(S_L + T_L) @ Q_L
        Q_R = Q_R - self.preconditioner_rate * jnp.triu(S_R - T_R) / _norm(S_R + T_R) @ Q_R
        u = -self.learning_rate * Q_L.T @ Q_L @ as_matrix(m) @ Q_R.T @ Q_R
        return u.reshape(g.shape), self.Memory(m, Q_L, Q_R)


def _inverse(Q):
    return solve_triangular(Q, jnp.eye(len(Q), dtype=Q.dtype))


def _norm(S):
    """An upper bound of the spectral norm of a symmetric matrix."""
    return jnp.max(jnp.sum(jnp.abs(S), axis=1))
