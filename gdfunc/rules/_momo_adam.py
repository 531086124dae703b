from typing import NamedTuple

from jax import Array

from ..core import (
    Debias,
    Decay,
    NonNegative,
    Rate,
    Scalar,
    Tree,
    TreeRule,
    debias,
    ema,
    rule,
    safe_sqrt,
    tree_dot,
    tree_map,
)
from ._momo import model_rate
from ._whole_tree import scalar_like, zeros_like


@rule
class MoMoAdam(TreeRule):
    r"""Adam whose rate comes from a model of the loss, a plane cut off at the lower bound (Schaipp et al. 2024, ICML, <https://arxiv.org/abs/2305.07583>, Algorithm 2).

    $$\begin{aligned}
    d_t &= \beta_1 d_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2
        \qquad D_t = \epsilon + \sqrt{v_t / (1-\beta_2^t)} \\
    \bar f_t &= \beta_1 \bar f_{t-1} + (1-\beta_1) f_t
        \qquad \gamma_t = \beta_1 \gamma_{t-1} + (1-\beta_1) \langle g_t, p_{t-1} \rangle \\
    \tau_t &= \min\left\{\frac{\eta}{1-\beta_1^t},\ \frac{\big((1+\eta\lambda)(\bar f_t - \gamma_t - (1-\beta_1^t) f^*)
        + \langle d_t, p_{t-1} \rangle\big)_+}{\lVert d_t \rVert^2_{D_t^{-1}}} \right\} \\
    u_t &= \frac{p_{t-1} - \tau_t D_t^{-1} d_t}{1 + \eta\lambda} - p_{t-1}
    \end{aligned}$$

    Products and norm are those of the whole tree; it needs the loss of the batch, `value`.

    Args:
        learning_rate: eta >= 0, in units of p: Adam's rate, which is now the most that the rate may be.
        b1: beta_1 in [0, 1): d remembers about 1 / (1 - b1) gradients, and as many losses.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        lower_bound: f*, in units of the loss: what the loss cannot be below.
        weight_decay: lambda >= 0, in 1 / p: the share of p lost for every unit of rate.
        adapt_lower_bound: whether to raise the lower bound as the losses seen allow (section 4 of the paper).
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax does.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params or value are not given.
    """

    learning_rate: Rate = 1e-2
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    lower_bound: Scalar = 0.0
    weight_decay: NonNegative = 0.0
    adapt_lower_bound: bool = False
    debias: Debias = "exact"

    needs = ("params", "value")

    class Memory(NamedTuple):
        d: Tree  # shaped as params, in units of g
        v: Tree  # shaped as params, in units of g**2
        f_bar: Array  # (), in units of the loss
        gamma: Array  # (), in units of the loss
        bound: Array | None  # (), in units of the loss; None unless it adapts

    def start(self, params):
        bound = scalar_like(params, self.lower_bound) if self.adapt_lower_bound else None
        f_bar, gamma = scalar_like(params, 0.0), scalar_like(params, 0.0)
        return self.Memory(zeros_like(params), zeros_like(params), f_bar, gamma, bound)

    def step(self, grads, memory, params, t, value):
        d = tree_map(lambda d, g: ema(d, g, self.b1), memory.d, grads)
        v = tree_map(lambda v, g: ema(v, g**2, self.b2), memory.v, grads)
        f_bar = ema(memory.f_bar, value, self.b1)
        gamma = ema(memory.gamma, tree_dot(grads, params), self.b1)
        v_correction = debias(self.b2, t, self.debias)
        direction = tree_map(lambda d, v: d / (self.eps + safe_sqrt(v / v_correction)), d, v)
        filled = debias(self.b1, t, self.debias)
        tau, bound = model_rate(self, f_bar - gamma, tree_dot(d, params), tree_dot(d, direction), memory.bound, filled)
        shrink = 1 + self.learning_rate * self.weight_decay
        updates = tree_map(
            lambda x, p: -(self.learning_rate * self.weight_decay * p + tau * x) / shrink, direction, params
        )
        return updates, self.Memory(d, v, f_bar, gamma, bound)
