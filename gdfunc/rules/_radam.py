import math
from fractions import Fraction as Exact
from typing import Annotated, Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Range, Rate, debias, ema, root_with_eps, rule


@rule
class RAdam(ArrayRule):
    r"""Adam that trusts its denominator once enough gradients are in it (Liu, Jiang, He, Chen, Liu, Gao & Han 2020, ICLR, <https://arxiv.org/abs/1908.03265>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \rho_\infty &= \frac{2}{1-\beta_2} - 1 \qquad \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1-\beta_2^t} \\
    r_t &= \sqrt{\frac{(\rho_t-4)(\rho_t-2)\rho_\infty}{(\rho_\infty-4)(\rho_\infty-2)\rho_t}} \\
    u_t &= -\eta\, r_t \hat m_t / (\sqrt{\hat v_t} + \epsilon) \text{ where } \rho_t > 4, \quad
    -\eta\, \hat m_t \text{ before}
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p (of p / g in the first steps).
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g. The paper prints none.
        threshold: at least 4: the rectified step is taken where rho_t is above it. 4 in the paper; 5 in its code, Optax
            and PyTorch.
        eps_at: "outside", after the correction, as in Optax; "before_debias", as in PyTorch.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out. In float32 the literal rho_t is
            the difference of two numbers near 2000, wrong by 0.02 in the first steps; "exact" avoids it.

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    threshold: Annotated[Any, Range(low=4.0)] = 4.0
    eps_at: Literal["outside", "before_debias"] = "outside"
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        v_correction = debias(self.b2, t, self.debias)
        m = ema(memory.m, g, self.b1)
        v = ema(memory.v, g**2, self.b2)
        m_hat = m / debias(self.b1, t, self.debias)
        v_hat = v / v_correction
        rho_inf = 2 / (1 - self.b2) - 1
        rho = average_length(self.b2, t, self.debias)
        rectified = rho > self.threshold
        r = rectification(rho, rho_inf, rectified)
        adaptive = r * m_hat / root_with_eps(v_hat, self.eps, self.eps_at, v_correction)
        return -self.learning_rate * jnp.where(rectified, adaptive, m_hat), self.Memory(m, v)


def rectification(rho: Any, rho_inf: Any, rectified: Any) -> Any:
    # Two wheres: in the steps not rectified the radicand is negative, and its root's derivative would be NaN.
    above = (rho - 4) * (rho - 2) * rho_inf
    below = (rho_inf - 4) * (rho_inf - 2) * rho
    return jnp.sqrt(jnp.where(rectified, above, 1) / jnp.where(rectified, below, 1))


def average_length(b2: Any, t: Any, form: Debias) -> Any:
    r"""$\rho_t = \frac{1+\beta}{1-\beta} - \frac{2 t \beta^t}{1-\beta^t}$: how many values the average holds.

    With $\delta = -\log \beta$ and $x = t \delta$ the terms are $\coth(\delta/2)$ and $\frac{2}{\delta} \frac{x}{e^x - 1}$. Early,
    where x < 1, both are large and nearly equal; by their Bernoulli series $\rho_t = t + \frac{2}{\delta} (h(\delta) - h(x))$
    with $h(x) = \frac{x^2}{12} - \frac{x^4}{720} + \dots$: what cancels is gone before it is rounded.
    """
    if form == "power":
        return 2 / (1 - b2) - 1 - 2 * t * b2**t / (1 - b2**t)
    delta = -math.log(b2) if isinstance(b2, float) and b2 > 0 else -jnp.log(jnp.maximum(b2, 1e-30))
    x = t * delta
    early = x < 1
    small, large = jnp.where(early, x, 0.5), jnp.where(early, 1.0, x)
    soon = t + 2 / delta * (bernoulli_tail(jnp.minimum(delta, 1.0)) - bernoulli_tail(small))
    late = (1 + b2) / (1 - b2) - 2 / delta * large / jnp.expm1(large)
    return jnp.where(early, soon, late)


def _coefficients(terms: int) -> list[float]:
    c = [Exact(1)]  # of x**n in x / (exp(x) - 1)
    for n in range(1, 2 * terms + 1):
        c.append(-sum((c[k] / math.factorial(n + 1 - k) for k in range(n)), Exact(0)))
    return [float(x) for x in c[2::2]]


_TAIL = _coefficients(10)  # the last term is below the rounding error of float64 for x < 1


def bernoulli_tail(x: Any) -> Any:
    r"""$h(x) = \frac{x}{e^x - 1} - 1 + \frac{x}{2}$ for 0 <= x <= 1, without cancellation."""
    y = jnp.square(x)
    return jnp.polyval(jnp.asarray(_TAIL[::-1]), y) * y
