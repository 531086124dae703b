from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Positive, Rate, ema, rule, safe_sqrt


@rule
class Adafactor(ArrayRule):
    r"""Adafactor: Adam's squares kept as row and column means, steps in proportion to the weights (Shazeer & Stern 2018, ICML, <https://arxiv.org/abs/1804.04235>, Algorithms 4 and 5).

    $$\begin{aligned}
    \rho_t &= \min(\rho, 1/\sqrt t) \qquad \alpha_t = \rho_t \max(\epsilon_2, \mathrm{RMS}(p_{t-1})) \qquad
    \hat\beta_t = 1 - t^{-c} \\
    R_t &= \hat\beta_t R_{t-1} + (1-\hat\beta_t)\, \mathrm{rowmean}(g_t^2 + \epsilon_1) \qquad
    C_t = \hat\beta_t C_{t-1} + (1-\hat\beta_t)\, \mathrm{colmean}(g_t^2 + \epsilon_1) \\
    \hat V_t &= R_t C_t / \mathrm{mean}(R_t) \qquad
    d_t = g_t / \sqrt{\hat V_t} \\
    u_t &= -\alpha_t\, d_t / \max(1, \mathrm{RMS}(d_t) / \delta)
    \end{aligned}$$

    A matrix of n rows and m columns is remembered by n + m numbers; of an array with more axes each matrix on the last two.
    Vectors and scalars, which have no two axes, keep V itself, the average of g**2 + epsilon_1.

    Args:
        learning_rate: rho >= 0, without unit: at most the share of its RMS that an array moves in a step. With
            relative=False in units of p.
        decay_power: c > 0, without unit: the averages remember about t**c of the t steps so far.
        eps: epsilon_1 > 0, in units of g**2; with eps_at="floor" of g.
        min_scale: epsilon_2 >= 0, in units of p: weights count as at least so large, so that they can leave zero.
        clipping_threshold: delta > 0, without unit: the most that the RMS of a direction may be. None for no clipping.
        momentum: beta in [0, 1): u becomes its own average over about 1 / (1 - beta) steps, as in the authors' program and
            Optax. None, as in the paper, for none, and no average is kept.
        weight_decay: lambda >= 0: the share of p lost at each step, for decay="step"; times rho for decay="rate". None, as in
            the paper, for none.
        relative: whether steps are in proportion to the RMS of p, as in the paper's section 8.
        rate_limit: "root": rho is at most 1 / sqrt(t), as in the paper and PyTorch; "none": rho as given, as in Optax.
        decay: "rate": rho lambda p is subtracted, as in PyTorch (not limited by 1 / sqrt(t)); "step": lambda p, as in Optax.
        eps_at: "squares": added to them, as in the paper and Optax; "floor": V is at least epsilon_1**2 and mean(R) at
            least epsilon_1, as in PyTorch.
        min_dim_size_to_factor: matrices with fewer rows or columns keep V itself: 1, all are factored, as in the paper
            and PyTorch; Optax has 128.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are needed and not given.
    """

    learning_rate: Rate = 1e-2
    decay_power: Positive = 0.8
    eps: Positive = 1e-30
    min_scale: NonNegative = 1e-3
    clipping_threshold: Positive | None = 1.0
    momentum: Decay | None = None
    weight_decay: NonNegative | None = None
    relative: bool = True
    rate_limit: Literal["root", "none"] = "root"
    decay: Literal["rate", "step"] = "rate"
    eps_at: Literal["squares", "floor"] = "squares"
    min_dim_size_to_factor: int = 1

    class Memory(NamedTuple):
        v: Array  # in units of g**2: of a factored array (..., n, m) its R and C end to end, (..., n + m); else as p
        m: Array | None  # shaped as p, in units of p; None without momentum

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("params",) if self.relative or self.weight_decay is not None else ()

    def start(self, p):
        rows, columns = p.shape[-2:] if self._factors(p) else (0, 0)
        v = jnp.zeros((*p.shape[:-2], rows + columns) if rows else p.shape, p.dtype)
        return self.Memory(v=v, m=None if self.momentum is None else jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        t = t.astype(g.dtype)  # the power of an integer would be float32 with x64 too
        fresh = t**-self.decay_power  # 1 - beta_t
        squares = g**2 + self.eps if self.eps_at == "squares" else g**2
        if self._factors(g):
            means = jnp.concatenate([jnp.mean(squares, axis=-1), jnp.mean(squares, axis=-2)], axis=-1)
        else:
            means = squares
        v = (1 - fresh) * memory.v + fresh * means
        d = self._direction(g, v)
        if self.clipping_threshold is not None:
            d = d / jnp.maximum(1, _rms(d) / self.clipping_threshold)
        rho = jnp.minimum(self.learning_rate, 1 / jnp.sqrt(t)) if self.rate_limit == "root" else self.learning_rate
        alpha = rho * jnp.maximum(self.min_scale, _rms(p)) if self.relative else rho
        u, m = -alpha * d, None
        if self.momentum is not None:
            u = m = ema(memory.m, u, self.momentum)
        if self.weight_decay is not None:
            u = u - (self.learning_rate if self.decay == "rate" else 1) * self.weight_decay * p
        return u, self.Memory(v, m)

    def _factors(self, p: Array) -> bool:
        return p.ndim >= 2 and min(p.shape[-2:]) >= self.min_dim_size_to_factor

    def _direction(self, g: Array, v: Array) -> Array:
        """g over the root of V."""
        floor = self.eps if self.eps_at == "floor" else 0
        row, column = safe_sqrt(v), 1
        if self._factors(g):
            r, c = v[..., : g.shape[-2], None], v[..., None, g.shape[-2] :]
            row = safe_sqrt(r) / safe_sqrt(jnp.maximum(jnp.mean(r, axis=-2, keepdims=True), floor))
            column = safe_sqrt(c)
        if self.eps_at == "floor":
            return g / jnp.maximum(row * column, floor)
        # One after the other: where a row and a column are all zero, V = 1e-60 would be 0 in float32.
        return g / row / column


def _rms(x: Array) -> Array:
    return safe_sqrt(jnp.mean(jnp.square(x)))
