from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Rate, Tree, debias, ema, rule, safe_sqrt
from ._schedule_free import Interpolation, WeightBy, average, averages, share


@rule
class ScheduleFreeAdamW(ArrayRule):
    r"""Schedule-free AdamW, which needs no falling rate (Defazio et al. 2024, NeurIPS, <https://arxiv.org/abs/2405.15682>, Algorithm 1).

    $$\begin{aligned}
    v_t &= \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \qquad \gamma_t = \eta \sqrt{1 - \beta_2^t} \\
    z_{t+1} &= z_t - \gamma_t\, g_t / (\sqrt{v_t} + \epsilon) - \gamma_t \lambda y_t \\
    x_{t+1} &= (1 - c_{t+1})\, x_t + c_{t+1} z_{t+1} \qquad c_{t+1} = \gamma_t^r \Big/ \sum_{i \le t} \gamma_i^r \\
    y_{t+1} &= (1-\beta_1)\, z_{t+1} + \beta_1\, x_{t+1}
    \end{aligned}$$

    The parameters are y; test with x, `evaluation_params(rule, state, params)`. beta_1 stands for momentum, of which
    there is no other. Around any other rule: `ScheduleFree`.

    Args:
        learning_rate: eta > 0, in units of p: one to ten times AdamW's; a warm-up is welcome.
        b1: beta_1 in (0, 1]: how near y is to x; 0.9 to 0.98 in the paper.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        weight_decay: lambda >= 0, no unit: the share of y lost at each step, in units of gamma_t.
        weight_power: r >= 0: 2 in the paper; 0 weighs all steps alike.
        weights: what r is the power of: "rate", gamma_t, as in Algorithm 1; "largest_rate", the largest so far, as in the
            authors' code and Optax.
        debias_at: where the root of 1 - beta_2**t goes: "rate", into gamma_t and with it into decay and weights, as in
            Algorithm 1; "average": v is corrected, as in Adam, in Optax and in the authors' later code.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` without params.
    """

    learning_rate: Rate
    b1: Interpolation = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    weight_power: NonNegative = 2.0
    weights: WeightBy = "rate"
    debias_at: Literal["rate", "average"] = "rate"

    needs = ("params",)

    class Memory(NamedTuple):
        z: Array  # shaped as p, in units of p
        v: Array  # shaped as p, in units of g**2
        total: Array  # (), sum of gamma**r
        largest: Array | None  # (), the largest gamma so far; None with weights="rate"

    def start(self, p):
        largest = jnp.zeros(()) if self.weights == "largest_rate" else None
        return self.Memory(z=jnp.array(p, copy=True), v=jnp.zeros_like(p), total=jnp.zeros(()), largest=largest)

    def step(self, g, memory, p, t):
        v = ema(memory.v, g**2, self.b2)
        correction = safe_sqrt(jnp.asarray(debias(self.b2, t)))
        gamma = self.learning_rate * (correction if self.debias_at == "rate" else 1.0)
        root = safe_sqrt(v) / (correction if self.debias_at == "average" else 1.0)
        d = -gamma * g / (root + self.eps) - gamma * self.weight_decay * p
        c, total, largest = share(self, gamma, memory)
        u, z = average(self.b1, c, p, memory.z, d)
        return u, self.Memory(z, v, total, largest)

    def evaluation_params(self, state, params: Tree) -> Tree:
        """The average x."""
        return averages(self.at(state.step), state, params)
