from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ..core import Fraction, Tree, Wrapper, rule
from ._counts import check_count


@rule
class Lookahead(Wrapper):
    r"""Lookahead: k steps of a rule, then back to a point between where they began and where they ended (Zhang, Lucas, Hinton & Ba 2019, NeurIPS, <https://arxiv.org/abs/1907.08610>, Algorithm 1).

    $$\begin{aligned}
    \theta_t &= \theta_{t-1} + u_t \qquad \text{at every } k\text{-th step: } \phi \leftarrow \phi + \alpha (\theta_t - \phi),
    \quad \theta_t \leftarrow \phi
    \end{aligned}$$

    The parameters are the fast weights theta; the slow ones phi are kept in the state, and
    `evaluation_params(rule, state, params)` reads them. `optax.lookahead` carries both as the parameters, a pair
    `LookaheadParams(fast, slow)`.

    Args:
        inner: the rule that makes the steps.
        sync_period: k >= 1: how many steps it makes. The paper takes 5 to 10, 5 on ImageNet.
        slow_step_size: alpha in [0, 1]: the share of the way that is kept; 1 is the rule inside alone. 0.5 to 0.8 in the
            paper.
        reset_state: whether the rule inside starts afresh after every k-th step; the paper lets it go on.

    Raises:
        ValueError: where a number leaves its range or `inner` is no rule, and from `update` without params.
    """

    inner: Any
    sync_period: int = 5
    slow_step_size: Fraction = 0.5
    reset_state: bool = False

    wants = ("params",)

    class Memory(NamedTuple):
        slow: Tree  # alike params, in units of p; changes at every k-th step

    def __post_init__(self):
        super().__post_init__()
        check_count(self, "sync_period")

    def start(self, params):
        return self.Memory(jax.tree.map(lambda p: jnp.array(p, copy=True), params))

    def step(self, grads, memory, inner_state, params, t, update):
        updates, inner_state = update(grads, inner_state, params)
        sync = t % self.sync_period == 0
        back = lambda phi, p, u: phi + self.slow_step_size * (p + u - phi)  # noqa: E731
        slow = jax.tree.map(lambda phi, p, u: jnp.where(sync, back(phi, p, u), phi), memory.slow, params, updates)
        updates = jax.tree.map(lambda phi, p, u: jnp.where(sync, phi - p, u), slow, params, updates)
        if self.reset_state:
            first = self.inner.init(params)
            back_to = lambda new, old: jnp.where(sync, new.astype(old.dtype), old)  # noqa: E731
            inner_state = jax.tree.map(back_to, first, inner_state)
        return updates, self.Memory(slow), inner_state

    def evaluation_params(self, state, params: Tree) -> Tree:
        """The slow weights."""
        return jax.tree.map(lambda phi, p: phi.astype(jnp.result_type(p)), state.memory.slow, params)
