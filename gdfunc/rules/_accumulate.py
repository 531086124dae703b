from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from ..core import Tree, Wrapper, rule, wide
from ._counts import check_count, update_if


@rule
class Accumulate(Wrapper):
    r"""Gradient accumulation: one update for the mean of k gradients (Goyal et al. 2017, <https://arxiv.org/abs/1706.02677>, section 3).

    $$\begin{aligned}
    \bar g_t &= \frac1k \sum_{i=0}^{k-1} g_{t-i} \\
    u_t &= \mathrm{inner}(\bar g_t) \quad \text{at every } k\text{-th step, else } 0
    \end{aligned}$$

    A batch k times as large in the memory of one: the same update, if the loss is a mean over equal batches. Between, the
    parameters, the rule inside and its schedules stand still. What else that rule needs (`value`, ...) is the last
    batch's. Gradients are summed in at least float32.

    Args:
        inner: the rule.
        every: k >= 1, in steps.
        reduce: "mean", or "sum", with which the learning rate means what it does for one batch of k times the size whose
            loss is a sum.

    Raises:
        ValueError: where k < 1 or `inner` is no rule.
    """

    inner: Any
    every: int
    reduce: Literal["mean", "sum"] = "mean"

    class Memory(NamedTuple):
        total: Tree  # alike params, in units of g, at least float32; sum since the last update, 0 after it

    def __post_init__(self):
        super().__post_init__()
        check_count(self, "every")

    def start(self, params):
        return self.Memory(jax.tree.map(lambda p: wide(jnp.zeros_like(p)), params))

    def step(self, grads, memory, inner_state, params, t, update):
        total = jax.tree.map(jnp.add, memory.total, grads)
        g = jax.tree.map(lambda s: s / self.every, total) if self.reduce == "mean" else total
        full = t % self.every == 0
        updates, inner_state = update_if(full, update, g, inner_state, params)
        return updates, self.Memory(jax.tree.map(lambda s: jnp.where(full, 0, s), total)), inner_state
