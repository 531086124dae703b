from typing import Any

import jax
import jax.numpy as jnp

from ..core import NonNegative, Wrapper, rule, tree_norm


@rule
class SAM(Wrapper):
    r"""Sharpness-aware minimization: the gradient where the loss nearby is highest (Foret, Kleiner, Mobahi & Neyshabur 2021, ICLR, <https://arxiv.org/abs/2010.01412>, Algorithm 1; adaptive, ASAM: Kwon et al. 2021, ICML, <https://arxiv.org/abs/2102.11600>, Algorithm 1).

    $$\begin{aligned}
    \epsilon_t &= \rho\, \frac{T^2 \nabla f(\theta)}{\lVert T \nabla f(\theta) \rVert}, \qquad T = 1 \quad
    \text{or, adaptive, } T = \mathrm{diag}(|\theta|) + \eta \\
    g_t &= \nabla f(\theta + \epsilon_t) \qquad u_t = \mathrm{inner}(g_t)
    \end{aligned}$$

    One step takes two gradients, both on the same batch. `optax.contrib.sam` by default spreads them over two calls of
    `update`, of which every first moves the parameters uphill; this is its `opaque_mode=True`.

    Args:
        inner: the rule that descends along the second gradient, at theta.
        rho: rho >= 0, in units of p (adaptive: no unit): how far the neighbourhood reaches. 0.05 in SAM, 0.5 or more in ASAM.
        adaptive: whether the neighbourhood is measured in units of each parameter (ASAM): rescaling weights then
            changes nothing.
        eta: eta >= 0, in units of p, where adaptive: the least size that a parameter counts with. 0.01 in ASAM.

    Raises:
        ValueError: where a number leaves its range or `inner` is no rule, and from `update` without params or grad_fn.
    """

    inner: Any
    rho: NonNegative = 0.05
    adaptive: bool = False
    eta: NonNegative = 0.01

    wants = ("params", "grad_fn")

    def step(self, grads, memory, inner_state, params, t, update, grad_fn):
        T = jax.tree.map(lambda p: jnp.abs(p) + self.eta if self.adaptive else 1.0, params)
        norm = tree_norm(jax.tree.map(jnp.multiply, T, grads))
        length = self.rho / jnp.where(norm > 0, norm, 1)  # a zero gradient has no direction to climb
        epsilon = jax.tree.map(lambda T, g: length * T**2 * g, T, grads)
        g = grad_fn(jax.tree.map(jnp.add, params, epsilon))
        updates, inner_state = update(g, inner_state, params)
        return updates, memory, inner_state
