from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from ..core import NonNegative, Range, Rate, Tree, Wrapper, rule
from ._counts import scalar

Interpolation: TypeAlias = Annotated[Any, Range(low=0.0, high=1.0, low_open=True)]
WeightBy: TypeAlias = Literal["rate", "largest_rate"]


@rule
class ScheduleFree(Wrapper):
    r"""Schedule-free learning: a rule's own path z, its average x, and gradients taken between them, at y (Defazio et al. 2024, NeurIPS, <https://arxiv.org/abs/2405.15682>, eq. 3-5).

    $$\begin{aligned}
    z_{t+1} &= z_t + u_t(\nabla f(y_t)) \\
    x_{t+1} &= (1 - c_{t+1})\, x_t + c_{t+1} z_{t+1} \qquad c_{t+1} = \gamma_t^r \Big/ \sum_{i \le t} \gamma_i^r \\
    y_{t+1} &= (1-\beta)\, z_{t+1} + \beta\, x_{t+1}
    \end{aligned}$$

    The parameters are y, where the gradients are taken; test with x, `evaluation_params(rule, state, params)`. x is
    recovered from y and z, so that one array a parameter is kept. Give the rule inside no momentum: beta takes its
    place, `ScheduleFree(Adam(1e-3, b1=0.0))`.

    Args:
        inner: the rule that moves z, given the gradients and parameters at y.
        rate: gamma_t >= 0, in any unit: inner's learning rate again where that warms up, so that x counts the first steps
            less. It sets weights only; any constant gives every step the same.
        b1: beta in (0, 1]: how near y is to x; 0.9 to 0.98 in the paper.
        weight_power: r >= 0: 2 in the paper; 0 weighs all steps alike.
        weights: what r is the power of: "rate", gamma_t, as in Algorithm 1; "largest_rate", the largest so far, as in the
            authors' code and Optax. They differ where the rate falls.

    Raises:
        ValueError: where a number leaves its range or `inner` is no rule, and from `update` without params.
    """

    inner: Any
    rate: Rate = 1.0
    b1: Interpolation = 0.9
    weight_power: NonNegative = 2.0
    weights: WeightBy = "rate"

    wants = ("params",)

    class Memory(NamedTuple):
        z: Tree  # alike params, in units of p
        total: Array  # (), sum of gamma**r
        largest: Array | None  # (), the largest gamma so far; None with weights="rate"

    def start(self, params):
        z = jax.tree.map(lambda p: jnp.array(p, copy=True), params)
        return self.Memory(z, scalar(0, params), scalar(0, params) if self.weights == "largest_rate" else None)

    def step(self, grads, memory, inner_state, params, t, update):
        updates, inner_state = update(grads, inner_state, params)
        c, total, largest = share(self, self.rate, memory)
        pairs = jax.tree.map(lambda y, z, d: average(self.b1, c, y, z, d), params, memory.z, updates)
        u, z = jax.tree.transpose(jax.tree.structure(params), jax.tree.structure((0, 0)), pairs)
        return u, self.Memory(z, total, largest), inner_state

    def evaluation_params(self, state, params: Tree) -> Tree:
        """The average x."""
        return averages(self.at(state.step), state, params)


def share(rule: Any, rate: Any, memory: Any) -> tuple[Any, Any, Any]:
    """(c, the new sum of weights, the new largest rate)."""
    largest = None if memory.largest is None else jnp.maximum(memory.largest, rate)
    gamma = jnp.asarray(rate if largest is None else largest)
    # The power's derivatives at a rate of 0 are not finite: it counts nothing, or 1 where r = 0.
    weight = jnp.where(gamma > 0, jnp.where(gamma > 0, gamma, 1) ** rule.weight_power, rule.weight_power == 0)
    total = memory.total + weight
    c = jnp.where(total > 0, weight / jnp.where(total > 0, total, 1), 0)
    return c, total, largest


def average(b1: Any, c: Any, y: Any, z: Any, d: Any) -> tuple[Any, Any]:
    """(y's update, the new z) where z moves by d."""
    # y_{t+1} - y_t with x_t = (y_t - (1 - beta) z_t) / beta put in: nothing cancels where y and z are near.
    return (1 - b1) * d + c * (b1 * d + (z - y)), z + d


def averages(rule: Any, state: Any, params: Tree) -> Tree:
    """x for every leaf, in its parameter's dtype."""
    x = lambda y, z: ((y - (1 - rule.b1) * z) / rule.b1).astype(jnp.result_type(y))  # noqa: E731
    return jax.tree.map(x, params, state.memory.z)
