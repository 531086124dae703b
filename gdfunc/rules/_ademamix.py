from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import (
    ArrayRule,
    Debias,
    Decay,
    NonNegative,
    Positive,
    Range,
    Rate,
    debias,
    ema,
    pytree_dataclass,
    rule,
    safe_sqrt,
)
from ..schedules import Schedule


@rule
class AdEMAMix(ArrayRule):
    r"""AdEMAMix: Adam with a second, much older average of the gradient (Pagliardini, Ablin & Grangier 2024, <https://arxiv.org/abs/2409.03137>, Algorithm 1).

    $$\begin{aligned}
    m^1_t &= \beta_1 m^1_{t-1} + (1-\beta_1) g_t \qquad m^2_t = \beta_3 m^2_{t-1} + (1-\beta_3) g_t \\
    v_t &= \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \qquad \hat m^1_t = m^1_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    u_t &= -\eta \left( \frac{\hat m^1_t + \alpha\, m^2_t}{\sqrt{\hat v_t} + \epsilon} + \lambda\, p_{t-1} \right)
    \end{aligned}$$

    The old average is not corrected: it fills slowly, on purpose. At full alpha and beta_3 the first steps may diverge, so
    the paper raises both over all N steps of training: `alpha=Linear(0.0, 5.0, N)`, `b3=Beta3Warmup(steps=N)`.

    Args:
        learning_rate: eta > 0, in units of p: up to 1 + alpha times as much as one parameter moves in a step.
        b1: beta_1 in [0, 1): m1 remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        b3: beta_3 in [0, 1): m2 remembers about 1 / (1 - b3) gradients; a schedule for long runs.
        alpha: alpha >= 0, without unit: the weight of the old average, from 4 to 10 in the paper; a schedule for long runs.
        eps: epsilon >= 0, in units of g.
        weight_decay: lambda >= 0, in 1 / p; multiplied by the rate. None for none, and params are not needed.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does; "none" leaves it out.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where decay needs params not given.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    b3: Decay = 0.9999
    alpha: NonNegative = 5.0
    eps: NonNegative = 1e-8
    weight_decay: NonNegative | None = None
    debias: Debias = "exact"

    class Memory(NamedTuple):
        m1: Array  # shaped as p, in units of g
        m2: Array  # shaped as p, in units of g
        v: Array  # shaped as p, in units of g**2

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return () if self.weight_decay is None else ("params",)

    def start(self, p):
        return self.Memory(m1=jnp.zeros_like(p), m2=jnp.zeros_like(p), v=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        m1 = ema(memory.m1, g, self.b1)
        m2 = ema(memory.m2, g, self.b3)
        v = ema(memory.v, g**2, self.b2)
        m1_hat = m1 / debias(self.b1, t, self.debias)
        v_hat = v / debias(self.b2, t, self.debias)
        d = (m1_hat + self.alpha * m2) / (safe_sqrt(v_hat) + self.eps)
        if self.weight_decay is not None:
            d = d + self.weight_decay * p
        return -self.learning_rate * d, self.Memory(m1, m2, v)


_Between0And1 = Annotated[Any, Range(0.0, 1.0, low_open=True, high_open=True)]


@pytree_dataclass
class Beta3Warmup(Schedule):
    r"""AdEMAMix's warm-up of beta_3: the length of the average's memory grows in a straight line (Pagliardini, Ablin & Grangier 2024, <https://arxiv.org/abs/2409.03137>, section 3).

    $$\beta_s = \exp \frac{\ln\beta_a \ln\beta_b}{(1 - x) \ln\beta_b + x \ln\beta_a} \qquad x = \min(s / S, 1)$$

    A memory's half-life is ln 2 / -ln beta steps, and it is this number that grows evenly; beta itself rises steeply at
    first. The paper counts its steps from 1, a schedule here from 0.

    Args:
        steps: S > 0, in updates: update number S is the first to see `end`.
        start: beta_a in (0, 1), the value at step 0: the paper's is beta_1.
        end: beta_b in (0, 1), the value from step `steps` on.

    Raises:
        ValueError: where a number leaves its range.
    """

    steps: Positive
    start: _Between0And1 = 0.9
    end: _Between0And1 = 0.9999

    def curve(self, s):
        x = jnp.clip(s / self.steps, 0, 1)
        log_start, log_end = jnp.log(self.start), jnp.log(self.end)
        return jnp.exp(log_start * log_end / ((1 - x) * log_end + x * log_start))
