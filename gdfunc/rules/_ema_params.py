from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Decay, Tree, TreeRule, debias, ema, rule, wide


@rule
class EMAParams(TreeRule):
    r"""Keeps an average of the parameters to test with, and changes no update (Polyak & Juditsky 1992, SIAM J. Control and Optimization, <https://epubs.siam.org/doi/10.1137/0330046>; in this form Kingma & Ba 2015, section 7.2).

    $$\bar\theta_t = \beta \bar\theta_{t-1} + (1-\beta)\, \theta_t, \qquad \theta_t = \theta_{t-1} + u_t$$

    The last part of a chain, where what comes in is the update: `chain(Adam(1e-3), EMAParams(0.999))`. Read the average
    with `evaluation_params(rule, state, params)`. It is kept in at least float32.

    Args:
        decay: beta in [0, 1): the average remembers about 1 / (1 - beta) steps.
        debias: True: the average starts at zero and is divided by 1 - beta**t when it is read, as in section 7.2; False:
            it starts at the first parameters, as TensorFlow's, which then weigh beta**t in it.
    """

    decay: Decay = 0.999
    debias: bool = True

    needs = ("params",)

    class Memory(NamedTuple):
        average: Tree  # alike params, in units of p, at least float32

    def start(self, params):
        first = jnp.zeros_like if self.debias else lambda p: jnp.array(p, copy=True)
        return self.Memory(jax.tree.map(lambda p: wide(first(p)), params))

    def step(self, grads, memory, params, t):
        average = jax.tree.map(lambda a, p, u: ema(a, p + u, self.decay), memory.average, params, grads)
        return grads, self.Memory(average)

    def evaluation_params(self, state, params: Tree) -> Tree:
        """The average, in the parameters' dtypes; the parameters themselves before the first update."""
        now = self.at(state.step)
        share: Array = debias(now.decay, jnp.maximum(state.step, 1)) if self.debias else jnp.ones(())
        pick = lambda a, p: jnp.where(state.step > 0, a / share, p).astype(jnp.result_type(p))  # noqa: E731
        return jax.tree.map(pick, state.memory.average, params)
