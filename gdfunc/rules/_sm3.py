from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Rate, ema, rule


@rule
class SM3(ArrayRule):
    r"""SM3: Adagrad with one sum for each row and column in place of one for each entry (Anil et al. 2019, NeurIPS, <https://arxiv.org/abs/1901.11150>, SM3-II).

    $$\begin{aligned}
    \nu_t(i) &= \min_{r \ni i} \mu_{t-1}(r) + g_t(i)^2 \qquad \mu_t(r) = \max_{i \in r} \nu_t(i) \\
    d_t &= g_t / \sqrt{\nu_t + \epsilon} \qquad 0/0 = 0 \\
    m_t &= \beta m_{t-1} + (1-\beta) d_t \qquad u_t = -\eta\, m_t
    \end{aligned}$$

    The sets r are the slices of the array, one for each index of each axis: of a matrix its rows and its columns. For a
    vector it is Adagrad.

    Args:
        learning_rate: eta > 0, in units of p: how far a parameter moves at first; the steps shrink like 1 / sqrt(t).
        momentum: beta in [0, 1): m remembers about 1 / (1 - beta) directions. None for none, u = -eta d.
        eps: epsilon >= 0, in units of g**2; the paper has none, Optax 1e-8.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    momentum: Decay | None = None
    eps: NonNegative = 0.0

    class Memory(NamedTuple):
        mu: Array  # the sum of p's sizes along its axes, axis by axis, in units of g**2; for a vector shaped as p
        m: Array | None  # shaped as p, without unit; None without momentum

    def start(self, p):
        mu = jnp.zeros(sum(p.shape) if p.ndim else 1, p.dtype)
        return self.Memory(mu=mu, m=None if self.momentum is None else jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        x = g.reshape(g.shape or (1,))
        ends = np.cumsum(x.shape)[:-1].tolist()
        axes = range(x.ndim)
        mu = [
            part.reshape([-1 if i == axis else 1 for i in axes]) for axis, part in enumerate(jnp.split(memory.mu, ends))
        ]
        least = mu[0]
        for part in mu[1:]:
            least = jnp.minimum(least, part)
        nu = least + x**2
        seen = nu > 0
        d = jnp.where(seen, x / jnp.sqrt(jnp.where(seen, nu, 1) + self.eps), 0).reshape(g.shape)
        mu = jnp.concatenate([jnp.max(nu, axis=[i for i in axes if i != axis]) for axis in axes])
        if self.momentum is None:
            return -self.learning_rate * d, self.Memory(mu, None)
        m = ema(memory.m, d, self.momentum)
        return -self.learning_rate * m, self.Memory(mu, m)
