from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import Decay, NonNegative, Rate, Scalar, Tree, TreeRule, ema, rule, tree_dot, tree_map
from ._whole_tree import ratio, scalar_like, zeros_like


@rule
class MoMo(TreeRule):
    r"""Momentum whose rate comes from a model of the loss, a plane cut off at the lower bound (Schaipp et al. 2024, ICML, <https://arxiv.org/abs/2305.07583>, Algorithm 1).

    $$\begin{aligned}
    d_t &= \beta d_{t-1} + (1-\beta) g_t \qquad \bar f_t = \beta \bar f_{t-1} + (1-\beta) f_t
        \qquad \gamma_t = \beta \gamma_{t-1} + (1-\beta) \langle g_t, p_{t-1} \rangle \\
    \tau_t &= \min\left\{\eta,\ \frac{\big((1+\eta\lambda)(\bar f_t - \gamma_t - f^*)
        + \langle d_t, p_{t-1} \rangle\big)_+}{\lVert d_t \rVert^2} \right\} \\
    u_t &= \frac{p_{t-1} - \tau_t d_t}{1 + \eta\lambda} - p_{t-1}
    \end{aligned}$$

    The averages start at their first values. Products and norm are those of the whole tree; it needs the loss of the
    batch, `value`.

    Args:
        learning_rate: eta >= 0, in units of p per unit of g: the most that the rate may be.
        beta: beta in [0, 1): d remembers about 1 / (1 - beta) gradients, and as many losses.
        lower_bound: f*, in units of the loss: what the loss cannot be below.
        weight_decay: lambda >= 0, in units of g per unit of p: the penalty is lambda / 2 times the squared norm.
        adapt_lower_bound: whether to raise the lower bound as the losses seen allow (section 4 of the paper).

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params or value are not given.
    """

    learning_rate: Rate = 1.0
    beta: Decay = 0.9
    lower_bound: Scalar = 0.0
    weight_decay: NonNegative = 0.0
    adapt_lower_bound: bool = False

    needs = ("params", "value")

    class Memory(NamedTuple):
        d: Tree  # shaped as params, in units of g
        f_bar: Array  # (), in units of the loss
        gamma: Array  # (), in units of the loss
        bound: Array | None  # (), in units of the loss; None unless it adapts

    def start(self, params):
        bound = scalar_like(params, self.lower_bound) if self.adapt_lower_bound else None
        return self.Memory(zeros_like(params), scalar_like(params, 0.0), scalar_like(params, 0.0), bound)

    def step(self, grads, memory, params, t, value):
        beta = jnp.where(t == 1, 0.0, self.beta)
        d = tree_map(lambda d, g: ema(d, g, beta), memory.d, grads)
        f_bar = ema(memory.f_bar, value, beta)
        gamma = ema(memory.gamma, tree_dot(grads, params), beta)
        tau, bound = model_rate(self, f_bar - gamma, tree_dot(d, params), tree_dot(d, d), memory.bound)
        shrink = 1 + self.learning_rate * self.weight_decay
        updates = tree_map(lambda d, p: -(self.learning_rate * self.weight_decay * p + tau * d) / shrink, d, params)
        return updates, self.Memory(d, f_bar, gamma, bound)


def model_rate(
    momo: Any, offset: Array, inner: Array, squared_norm: Array, bound: Array | None, filled: Any = 1.0
) -> tuple[Array, Array | None]:
    r"""The rate $\tau$ that minimises the model, and the next lower bound.

    Args:
        momo: the rule, a MoMo or a MoMoAdam.
        offset: f_bar - gamma, the plane's height at p = 0.
        inner: <d, p>.
        squared_norm: of d, in the metric of the step.
        bound: the lower bound so far; None where it does not adapt.
        filled: the share of the averages that their values fill.

    Returns:
        (tau, bound).
    """
    eta, shrink = momo.learning_rate, 1 + momo.learning_rate * momo.weight_decay
    lower = momo.lower_bound
    if bound is not None:
        height = (shrink * offset + inner) / (shrink * filled)
        lower = jnp.where(height < bound, jnp.maximum(height / 2, momo.lower_bound), bound)
    gap = jnp.maximum(shrink * (offset - filled * lower) + inner, 0)
    tau = jnp.minimum(eta / filled, ratio(gap, squared_norm))
    if bound is None:
        return tau, None
    return tau, jnp.maximum((offset + inner - tau * squared_norm / 2) / filled, momo.lower_bound)
