from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import NonNegative, Wrapper, rule, tree_norm
from ._counts import update_if


@rule
class SkipLarge(Wrapper):
    r"""Makes no update where the gradient's global norm exceeds a bound (Chowdhery et al. 2022, <https://arxiv.org/abs/2204.02311>, section 5.1, who skipped the batches around a spike of the loss).

    $$(u_t, s_t) = \begin{cases} \mathrm{inner}(g_t, s_{t-1}) & \lVert g_t \rVert \le c \\ (0, s_{t-1}) &
    \text{otherwise} \end{cases}$$

    A gradient that is not finite is skipped too. The rule inside and its schedules stand still. Clipping by the global
    norm keeps such a gradient's direction instead; with a bound that is too low nothing ever moves: look at
    `state.memory.skipped`.

    Args:
        inner: the rule; a chain, to protect all of it.
        max_norm: c >= 0, in units of g: the largest norm that is let through.

    Raises:
        ValueError: where c is negative or not finite, or `inner` is no rule.
    """

    inner: Any
    max_norm: NonNegative

    class Memory(NamedTuple):
        skipped: Array  # () int32, how many updates were skipped

    def start(self, params):
        return self.Memory(jnp.zeros((), jnp.int32))

    def step(self, grads, memory, inner_state, params, t, update):
        fits = tree_norm(grads) <= self.max_norm
        # Under vmap both outcomes are computed: the rule inside must not see an infinity even then.
        safe = jax.tree.map(lambda g: jnp.where(fits, g, 0), grads)
        updates, inner_state = update_if(fits, update, safe, inner_state, params)
        return updates, self.Memory(memory.skipped + 1 - fits.astype(jnp.int32)), inner_state
