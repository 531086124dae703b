"""How sharp a minimum may be for an update rule to stay in it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ._linear_map import linear_map, log_radius

_DECADES = (-4, 4)  # of curvature times the first-order limit, searched for the end of stability
_POINTS = 161


def stability_limit(rule: Any, step: Any = 0) -> Array:
    r"""The largest curvature along which a rule does not leave a minimum (Cohen et al. 2021, ICLR, <https://arxiv.org/abs/2103.00065>).

    On $L = \tfrac12 h\, p^2$ a rule that is linear in its gradients is a linear map of the parameter and its memory, and
    stays bounded while that map's spectral radius is at most 1:

    $$h_{\max} = \sup \{ h : \rho(A(h')) \le 1 \text{ for all } h' \le h \} \qquad
    \begin{pmatrix} p_{t+1} \\ m_{t+1} \end{pmatrix} = A(h) \begin{pmatrix} p_t \\ m_t \end{pmatrix}$$

    2 / eta for gradient descent, 2 (1 + mu) / eta with momentum, 2 (1 + mu) / ((1 + 2 mu) eta) with Nesterov's. An
    adaptive rule is such a map of the gradients over its preconditioner, once that is held: the limit is of $P^{-1} H$
    (Cohen et al. 2022, <https://arxiv.org/abs/2207.14484>), 38 / eta for Adam with beta_1 = 0.9. The map is read off the
    rule's own update, so that no rule has to be known here, ours or Optax's.

    Args:
        rule: anything with `init` and `update` that needs no more than gradients and parameters.
        step: the step at which schedules are read, 0 for the first.

    Returns:
        h_max, (), in units of g / p, or of 1 / p for an adaptive rule; NaN where no curvature is stable, or none is too
        large: a sign's step does not shrink with the gradient. Differentiable in the rule's numbers.

    Raises:
        ValueError: where it is no rule, or needs more than gradients and parameters.
    """
    found = linear_map("stability_limit", rule, step)
    grows = lambda h: log_radius(found.on_parabola(h))  # noqa: E731
    unit = jnp.abs(found.of_gradient()[0])
    logs = jnp.linspace(*_DECADES, _POINTS) - jnp.log10(unit)
    over = jax.vmap(lambda log: grows(10**log))(logs) > 1e-6
    first = jnp.argmax(over)
    low, high = logs[jnp.maximum(first - 1, 0)], logs[first]

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        yes = grows(10**middle) > 0
        return jnp.where(yes, ends[0], middle), jnp.where(yes, middle, ends[1])

    h = lax.stop_gradient(10 ** lax.fori_loop(0, 50, halve, (low, high))[1])
    h = h - grows(h) / lax.stop_gradient(jax.grad(grows)(h))  # the implicit function's derivative
    return jnp.where(jnp.any(over) & (first > 0), h, jnp.nan)
