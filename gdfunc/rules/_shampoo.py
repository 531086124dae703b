from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import Decay, Positive, Rate, rule
from ._matrix import MatrixRule, as_matrix, inverse_root


@rule
class Shampoo(MatrixRule):
    r"""Shampoo: the gradient between inverse roots of its rows' and its columns' products (Gupta, Koren & Singer 2018, ICML, <https://arxiv.org/abs/1802.09568>, Algorithm 1).

    $$\begin{aligned}
    L_t &= L_{t-1} + G_t G_t^\top \qquad R_t = R_{t-1} + G_t^\top G_t \\
    u_t &= -\eta\, (\epsilon I + L_t)^{-1/4}\, G_t\, (\epsilon I + R_t)^{-1/4}
    \end{aligned}$$

    A vector is a tensor of order 1 in the paper's Algorithm 2, with one root, $(\epsilon I + L_t)^{-1/2}$: this is
    AdaGrad with a full matrix, and on a scalar AdaGrad. Of an array of three axes and more all but the last are taken
    together as rows. An axis of n entries costs n**2 numbers and n**3 operations a step: give long ones another rule with
    `by_path`.

    Args:
        learning_rate: eta > 0, in units of p: the spectral norm of a matrix's first step.
        eps: epsilon > 0, in units of g**2: directions with less gradient than its root move less.
        decay: beta in [0, 1): L and R average, as $L_t = \beta L_{t-1} + (1-\beta) G_t G_t^\top$, over about
            1 / (1 - decay) gradients; None sums, as in the paper.

    Raises:
        ValueError: where a hyperparameter leaves its range.

    The paper keeps epsilon I in L and R from the start; here it is added at the root, which is the same where they sum,
    and stays the same where they average. The roots are taken anew at every step.
    """

    learning_rate: Rate
    eps: Positive = 1e-4
    decay: Decay | None = None

    class Memory(NamedTuple):
        L: Array  # (rows, rows), in units of g**2
        R: Array  # (columns, columns), in units of g**2; empty for a vector

    def start(self, p):
        rows, columns = as_matrix(p).shape
        columns = columns if p.ndim > 1 else 0
        return self.Memory(L=jnp.zeros((rows, rows), p.dtype), R=jnp.zeros((columns, columns), p.dtype))

    def step(self, g, memory, p, t):
        G = as_matrix(g)
        old, new = (1, 1) if self.decay is None else (self.decay, 1 - self.decay)
        L = old * memory.L + new * G @ G.T
        if g.ndim < 2:
            u = -self.learning_rate * inverse_root(L, self.eps, 2) @ G
            return u.reshape(g.shape), self.Memory(L, memory.R)
        R = old * memory.R + new * G.T @ G
        u = -self.learning_rate * inverse_root(L, self.eps, 4) @ G @ inverse_root(R, self.eps, 4)
        return u.reshape(g.shape), self.Memory(L, R)
