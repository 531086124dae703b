from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Positive, Rate, rule


@rule
class Rprop(ArrayRule):
    r"""Resilient backpropagation: only the gradient's sign counts, and each parameter learns its own step (Riedmiller & Braun 1993, ICNN, <https://doi.org/10.1109/ICNN.1993.298623>, eq. 4-6).

    $$\begin{aligned}
    \Delta_t &= \min(\eta^+ \Delta_{t-1}, \Delta_{max}) \text{ if } g_t g_{t-1} > 0, \quad
    \max(\eta^- \Delta_{t-1}, \Delta_{min}) \text{ if } g_t g_{t-1} < 0, \quad \Delta_{t-1} \text{ else} \\
    u_t &= -u_{t-1} \text{ and } g_t := 0 \text{ if } g_t g_{t-1} < 0, \quad -\Delta_t\, \mathrm{sign}(g_t) \text{ else}
    \end{aligned}$$

    It needs the whole batch's gradient: noise flips signs.

    Args:
        learning_rate: Delta_0 > 0, in units of p: the first step.
        eta_minus: eta^- in (0, 1): the step shrinks by it where the gradient changes sign.
        eta_plus: eta^+ > 1: the step grows by it where the sign stays.
        min_step_size: Delta_min > 0, in units of p.
        max_step_size: Delta_max > 0, in units of p.
        on_sign_change: "backtrack": take the last step back, as in the paper; "hold": stand still for a step, as Optax
            and PyTorch (iRprop-, Igel & Huesken 2000); "step": go on with the smaller step (Rprop-).

    Raises:
        ValueError: where a hyperparameter leaves its range.
    """

    learning_rate: Rate = 0.1
    eta_minus: Positive = 0.5
    eta_plus: Positive = 1.2
    min_step_size: Positive = 1e-6
    max_step_size: Positive = 50.0
    on_sign_change: Literal["backtrack", "hold", "step"] = "backtrack"

    class Memory(NamedTuple):
        delta: Array  # shaped as p, in units of p
        g: Array  # shaped as p: the last gradient, zero where its sign had changed
        u: Array | None  # shaped as p: the last update; None unless it may be taken back

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.eta_minus, (int, float)) and self.eta_minus >= 1:
            raise ValueError(f"Rprop needs 0 < eta_minus < 1, and was given eta_minus={self.eta_minus}")
        if isinstance(self.eta_plus, (int, float)) and self.eta_plus <= 1:
            raise ValueError(f"Rprop needs eta_plus > 1, and was given eta_plus={self.eta_plus}")

    def start(self, p):
        u = jnp.zeros_like(p) if self.on_sign_change == "backtrack" else None
        return self.Memory(delta=jnp.full_like(p, self.learning_rate), g=jnp.zeros_like(p), u=u)

    def step(self, g, memory, p, t):
        agreement = jnp.sign(g) * jnp.sign(memory.g)  # signs: the product of two small gradients is 0
        turned = agreement < 0
        factor = jnp.where(agreement > 0, self.eta_plus, jnp.where(turned, self.eta_minus, 1.0))
        delta = jnp.clip(factor * memory.delta, self.min_step_size, self.max_step_size)
        delta = jnp.where(agreement == 0, memory.delta, delta)
        u = -delta * jnp.sign(g)
        if self.on_sign_change == "step":
            return u, self.Memory(delta, g, None)
        u = jnp.where(turned, -memory.u if self.on_sign_change == "backtrack" else 0.0, u)
        seen = jnp.where(turned, 0.0, g)
        return u, self.Memory(delta, seen, u if self.on_sign_change == "backtrack" else None)
