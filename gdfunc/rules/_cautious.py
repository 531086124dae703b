from typing import Any

import jax
import jax.numpy as jnp

from ..core import Wrapper, rule


@rule
class Cautious(Wrapper):
    r"""Cautious: leaves out the entries of an update that point against the gradient (Liang, Chen, Liu & Liu 2024, <https://arxiv.org/abs/2411.16085>, Algorithm 2).

    $$\begin{aligned}
    \phi_t &= \mathbb I(-u_t \circ g_t > 0) \\
    u_t &\leftarrow \frac{d}{\lVert \phi_t \rVert_0 + 1}\, \phi_t \circ u_t \qquad \text{for each array of } d \text{ entries}
    \end{aligned}$$

    Momentum makes such entries. The others grow, so that the array moves about as far as it would have; an array of one
    entry moves half as far. A weight decay inside the rule is masked with it: the paper decays after the mask.

    Args:
        inner: the rule, with momentum: SGD without never points against the gradient.
        rescale: whether the kept entries grow by d / (kept + 1); False only masks.

    Raises:
        ValueError: where `inner` is no rule.
    """

    inner: Any
    rescale: bool = True

    def step(self, grads, memory, inner_state, params, t, update):
        updates, inner_state = update(grads, inner_state, params)

        def masked(u, g):
            phi = (u * g < 0).astype(u.dtype)
            growth = u.size / (jnp.sum(phi) + 1) if self.rescale else 1.0
            return growth * phi * u

        return jax.tree.map(masked, updates, grads), memory, inner_state
