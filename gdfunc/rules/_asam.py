from typing import Any

import jax
import jax.numpy as jnp

from ..core import NonNegative, Wrapper, rule, tree_norm


@rule
class ASAM(Wrapper):
    r"""Adaptive SAM: the neighbourhood is measured in units of each parameter (Kwon, Kim, Park & Choi 2021, ICML, <https://arxiv.org/abs/2102.11600>, Algorithm 1).

    $$\begin{aligned}
    \epsilon_t &= \rho\, \frac{T^2 \nabla f(\theta)}{\lVert T \nabla f(\theta) \rVert}, \qquad
    T = \mathrm{diag}(|\theta|) + \eta \\
    g_t &= \nabla f(\theta + \epsilon_t) \qquad u_t = \mathrm{inner}(g_t)
    \end{aligned}$$

    With eta = 0, rescaling weights in a way that leaves the loss alone changes nothing. One step takes two gradients,
    both on the same batch.

    Args:
        inner: the rule that descends along the second gradient, at theta.
        rho: rho >= 0, without unit: how far the neighbourhood reaches, as a share of the parameters.
        eta: eta >= 0, in units of p: what is added to each parameter's size.

    Raises:
        ValueError: where a number leaves its range or `inner` is no rule, and from `update` without params or grad_fn.
    """

    inner: Any
    rho: NonNegative = 0.5
    eta: NonNegative = 0.01

    wants = ("params", "grad_fn")

    def step(self, grads, memory, inner_state, params, t, update, grad_fn):
        T = jax.tree.map(lambda p: jnp.abs(p) + self.eta, params)
        norm = tree_norm(jax.tree.map(jnp.multiply, T, grads))
        length = self.rho / jnp.where(norm > 0, norm, 1)  # a zero gradient has no direction to climb
        epsilon = jax.tree.map(lambda T, g: length * T**2 * g, T, grads)
        g = grad_fn(jax.tree.map(jnp.add, params, epsilon))
        updates, inner_state = update(g, inner_state, params)
        return updates, memory, inner_state
