"""Where lengths and correlations settle after many layers, and how many layers that takes."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .. import core
from ._checks import check_variances
from ._mean_field import chi, correlation_map, correlation_slope, length_map

_DECADES = 12.0  # either way from 1, in search of a fixed point
_POINTS = 97


def fixed_length(activation: str | core.Activation, weight_variance: Any, bias_variance: Any = 0.0) -> Array:
    r"""The variance q* that pre-activations come to after many layers, from 1 (Poole et al. 2016, <https://arxiv.org/abs/1606.05340>).

    $$q^* = \sigma_w^2\, \mathbb E\, \phi(z)^2 + \sigma_b^2 \qquad z \sim \mathcal N(0, q^*)$$

    Args:
        activation: phi, by name or as an elementwise function.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.

    Returns:
        q*, (): 0 where the signal dies out (below 1e-12), infinity where it grows without end (above 1e12). relu with
        sigma_w^2 = 2 and no biases keeps any length, and has 1. Differentiable in the variances, by the implicit function
        theorem.

    Raises:
        ValueError: as `length_map`.
    """
    check_variances("fixed_length", weight_variance=weight_variance, bias_variance=bias_variance)
    return _fixed_length(core.activation(activation), weight_variance, bias_variance)


@partial(jax.jit, static_argnums=0)
def _fixed_length(phi: core.Activation, weight_variance: Any, bias_variance: Any) -> Array:
    over = lambda q: length_map(phi, q, weight_variance, bias_variance) / q - 1  # noqa: E731
    rounding = 8 * jnp.finfo(jnp.result_type(float)).eps
    grows = over(jnp.ones(())) > rounding
    way = jnp.where(grows, 1.0, -1.0)
    logs = way * jnp.linspace(0, _DECADES, _POINTS)  # away from 1, in the direction in which the length moves
    moves_on = lambda log: over(10**log) * way > rounding  # noqa: E731
    first = jnp.argmin(jax.vmap(moves_on)(logs))
    q = 10 ** bisect(moves_on, logs[jnp.maximum(first - 1, 0)], logs[first])
    # Where the length moves ever more slowly and never settles, it seems to by rounding; or every length stays, 1 too.
    flat = jnp.abs(jax.grad(over)(q) * q) <= 100 * rounding
    settled = jnp.where(flat, 1, _newton(over, q))
    return jnp.where(~moves_on(logs[first]) & (~flat | (first == 0)), settled, jnp.where(grows, jnp.inf, 0))


def fixed_correlation(activation: str | core.Activation, weight_variance: Any, bias_variance: Any = 0.0) -> Array:
    r"""The correlation c* that any two inputs come to after many layers (Poole et al. 2016, <https://arxiv.org/abs/1606.05340>).

    Args:
        activation: phi, by name or as an elementwise function.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.

    Returns:
        c* in [0, 1], (): 1 in the ordered phase and on its edge, below 1 in the chaotic one; NaN where q* is 0 or infinite.

    Raises:
        ValueError: as `length_map`.
    """
    check_variances("fixed_correlation", weight_variance=weight_variance, bias_variance=bias_variance)
    return _fixed_correlation(core.activation(activation), weight_variance, bias_variance)


@partial(jax.jit, static_argnums=0)
def _fixed_correlation(phi: core.Activation, weight_variance: Any, bias_variance: Any) -> Array:
    q, known = _settled(phi, weight_variance, bias_variance)
    part = lambda c: correlation_map(phi, c, q, weight_variance, bias_variance) > c  # noqa: E731
    c = bisect(part, jnp.zeros(()), jnp.asarray(1 - 1e-5))
    return jnp.where(known, jnp.where(chi(phi, q, weight_variance) <= 1, 1, c), jnp.nan)


class DepthScales(NamedTuple):
    """In how many layers something falls by a factor of e; infinite where it does not, negative where it grows."""

    length: Array  # xi_q: the distance of the length from q*
    correlation: Array  # xi_c: the distance of the correlation from c*
    gradient: Array  # xi_grad: a gradient's mean square; negative in the chaotic phase


def depth_scales(activation: str | core.Activation, weight_variance: Any, bias_variance: Any = 0.0) -> DepthScales:
    r"""How deep information and gradients reach (Schoenholz et al. 2017, <https://arxiv.org/abs/1611.01232>, section 3).

    $$\xi_q^{-1} = -\log \frac{\partial q_{l+1}}{\partial q_l}\Big|_{q^*} \qquad
    \xi_c^{-1} = -\log \chi(c^*) \qquad \xi_\nabla^{-1} = -\log \chi_1$$

    Networks were seen to train to about 6 xi_c layers: `trainable_depth`.

    Args:
        activation: phi, by name or as an elementwise function.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.

    Returns:
        `DepthScales`, in layers; NaN where q* is 0 or infinite.

    Raises:
        ValueError: as `length_map`.
    """
    check_variances("depth_scales", weight_variance=weight_variance, bias_variance=bias_variance)
    return _depth_scales(core.activation(activation), weight_variance, bias_variance)


@partial(jax.jit, static_argnums=0)
def _depth_scales(phi: core.Activation, weight_variance: Any, bias_variance: Any) -> DepthScales:
    q, known = _settled(phi, weight_variance, bias_variance)
    c = _fixed_correlation(phi, weight_variance, bias_variance)
    length = jax.grad(lambda q: length_map(phi, q, weight_variance, bias_variance))(q)
    along = chi(phi, q, weight_variance)
    across = jnp.where(c < 1, correlation_slope(phi, c, q, weight_variance), along)
    return DepthScales(*(jnp.where(known, -1 / jnp.log(x), jnp.nan) for x in (length, across, along)))


def trainable_depth(activation: str | core.Activation, weight_variance: Any, bias_variance: Any = 0.0) -> Array:
    r"""About how many layers such a network may have and still learn (Schoenholz et al. 2017, <https://arxiv.org/abs/1611.01232>, figure 5).

    $$L \lesssim 6\, \xi_c$$

    Args:
        activation: phi, by name or as an elementwise function.
        weight_variance: sigma_w^2.
        bias_variance: sigma_b^2.

    Returns:
        6 xi_c, (); infinite on the edge of chaos.

    Raises:
        ValueError: as `length_map`.
    """
    return 6 * depth_scales(activation, weight_variance, bias_variance).correlation


def _settled(phi: core.Activation, weight_variance: Any, bias_variance: Any) -> tuple[Array, Array]:
    """(q*, or 1 where it is 0 or infinite; whether it is neither)."""
    q = _fixed_length(phi, weight_variance, bias_variance)
    known = (q > 0) & jnp.isfinite(q)
    return jnp.where(known, q, 1), known


def bisect(before: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """The place between `low` and `high` up to which `before` holds."""

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = (ends[0] + ends[1]) / 2
        yes = before(middle)
        return jnp.where(yes, middle, ends[0]), jnp.where(yes, ends[1], middle)

    steps = 60 if jnp.result_type(low) == np.float64 else 30
    low, high = lax.fori_loop(0, steps, halve, (low, high))
    return (low + high) / 2


def _newton(f: Callable[[Array], Array], root: Array) -> Array:
    """One step of Newton's from a root: it stays there, and its derivative is the implicit function theorem's."""
    root = lax.stop_gradient(root)
    return root - f(root) / lax.stop_gradient(jax.grad(f)(root))
