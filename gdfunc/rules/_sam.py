from typing import Any

import jax
import jax.numpy as jnp

from ..core import NonNegative, Wrapper, rule, tree_norm, tree_scale


@rule
class SAM(Wrapper):
    r"""Sharpness-aware minimization: the gradient where the loss nearby is highest (Foret, Kleiner, Mobahi & Neyshabur 2021, ICLR, <https://arxiv.org/abs/2010.01412>, Algorithm 1).

    $$\begin{aligned}
    \epsilon_t &= \rho\, \frac{\nabla f(\theta)}{\lVert \nabla f(\theta) \rVert} \\
    g_t &= \nabla f(\theta + \epsilon_t) \qquad u_t = \mathrm{inner}(g_t)
    \end{aligned}$$

    One step takes two gradients, both on the same batch. `optax.contrib.sam` by default spreads them over two calls of
    `update`, of which every first moves the parameters uphill; this is its `opaque_mode=True`. `ASAM` measures the
    neighbourhood in units of each parameter.

    Args:
        inner: the rule that descends along the second gradient, at theta.
        rho: rho >= 0, in units of p: how far the neighbourhood reaches.

    Raises:
        ValueError: where a number leaves its range or `inner` is no rule, and from `update` without params or grad_fn.
    """

    inner: Any
    rho: NonNegative = 0.05

    wants = ("params", "grad_fn")

    def step(self, grads, memory, inner_state, params, t, update, grad_fn):
        norm = tree_norm(grads)
        length = self.rho / jnp.where(norm > 0, norm, 1)  # a zero gradient has no direction to climb
        epsilon = tree_scale(length, grads)
        g = grad_fn(jax.tree.map(jnp.add, params, epsilon))
        updates, inner_state = update(g, inner_state, params)
        return updates, memory, inner_state
