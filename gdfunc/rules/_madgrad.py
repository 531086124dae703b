from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, Positive, Rate, rule


@rule
class MADGRAD(ArrayRule):
    r"""MADGRAD: dual averaging with a cube root and momentum (Defazio & Jelassi 2021, JMLR 23, <https://arxiv.org/abs/2101.11075>, Algorithm 1).

    $$\begin{aligned}
    \lambda_t &= \eta_t \sqrt{t} \qquad s_t = s_{t-1} + \lambda_t g_t \qquad \nu_t = \nu_{t-1} + \lambda_t g_t^2 \\
    z_t &= p_0 - s_t / (\sqrt[3]{\nu_t} + \epsilon) \\
    u_t &= (1-\mu) (z_t - p_{t-1})
    \end{aligned}$$

    Nothing is forgotten: z is p_0, the parameters at `init`, plus a step along the sum of all gradients. Wherever else the
    parameters were moved, p returns to follow z.

    Args:
        learning_rate: eta > 0, in units of p**1.5 / g**0.5; the first z is eta**(2/3) |g|**(1/3) away from p_0.
        momentum: mu in [0, 1): p follows z as an average over about 1 / (1 - mu) steps; the paper's c is 1 - mu.
        eps: epsilon > 0, in units of the cube root of nu.
        eps_at: "denominator", as in Algorithm 1; "denominator_and_rate" adds epsilon to eta as well, as the authors' code
            and Optax do.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate
    momentum: Decay = 0.9
    eps: Positive = 1e-6
    eps_at: Literal["denominator", "denominator_and_rate"] = "denominator"

    needs = ("params",)

    class Memory(NamedTuple):
        p0: Array  # shaped as p, in units of p
        s: Array  # shaped as p: the weighted sum of gradients
        nu: Array  # shaped as p: the weighted sum of their squares

    def start(self, p):
        return self.Memory(p0=jnp.array(p, copy=True), s=jnp.zeros_like(p), nu=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        rate = self.learning_rate + self.eps if self.eps_at == "denominator_and_rate" else self.learning_rate
        weight = rate * t**0.5
        s = memory.s + weight * g
        nu = memory.nu + weight * g**2
        # z - p, whose z = p0 - d: the difference of two parameters is exact where z itself would be rounded.
        d = s / (_safe_cbrt(nu) + self.eps)
        return (1 - self.momentum) * (memory.p0 - p - d), self.Memory(memory.p0, s, nu)


def _safe_cbrt(x: Array) -> Array:
    """The cube root with derivative 0 at 0, where the true one is infinite."""
    positive = x > 0
    return jnp.where(positive, jnp.cbrt(jnp.where(positive, x, 1)), 0)
