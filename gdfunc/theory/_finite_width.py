"""How far a network of finite width strays from an infinitely wide one: the first order in 1 / width."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Activation, gaussian_nodes, slope_of


class Widths(NamedTuple):
    """What theory needs of every layer, in depth order: each (depth,)."""

    units: Array  # n_l, out of layer l
    forward: Array  # sigma_w^2 on the way forward: n_{l-1} E w^2
    back: Array  # on the way back: n_l E w^2
    biases: Array  # E b^2
    kept_forward: Array  # 0: independent weights, 1: those that keep every vector's length, between: projections
    kept_back: Array  # likewise on the way back


class Logs(NamedTuple):
    """Mean and variance of the logarithm of a mean square, in every layer: each (depth,)."""

    mean: Array
    variance: Array


class _Log(NamedTuple):
    """The logarithm of an average over z, and its first and second derivative by log q."""

    value: Array
    by_q: Array
    bend: Array


class _Layer(NamedTuple):
    """The averages over the units of one layer, and how they move with the layer's length q."""

    log_q: Array
    passed: _Log  # of E phi^2
    slopes: _Log  # of E phi'^2
    after: _Log  # of the next layer's q
    share: Array  # of the weights in the next layer's q; the rest is the biases'
    covariance: Array  # (3, 3), relative: of the averages of z^2, phi^2 and (phi' u)^2 over n units


@partial(jax.jit, static_argnums=0)
def log_sizes(phi: Activation, widths: Widths, input_square: Array) -> tuple[Logs, Logs, Logs]:
    """Of z_l^2, of a_l^2 and of (dL/dz_l)^2 over the last layer's, each averaged over the units, for one input.

    A layer's q is the average of n independent units of the layer below, given theirs: so log q is a random walk
    that layers pull back to, or do not. Means are to second order in its steps, variances to first.
    """
    after = jax.tree.map(lambda x: jnp.append(x[1:], x[-1:], axis=0), widths)  # the last one's is not used

    def layer(log_q: Array, of: tuple[Widths, Widths]) -> tuple[Array, _Layer]:
        found = _look(phi, log_q, *of)
        return found.after.value, found

    first = jnp.log(widths.forward[0] * input_square + widths.biases[0])
    _, of = lax.scan(layer, first, (widths, after))
    depth = len(widths.units)
    hidden = jnp.arange(depth) < depth - 1
    z, passed, back = range(3)

    # The logarithm of q in layer l is pulls[l] @ (the averages of phi^2 in the layers below), less their expectation.
    def pull(pulls: Array, x: tuple[_Layer, Array]) -> tuple[Array, Array]:
        layer, i = x
        return layer.after.by_q * pulls + layer.share * (jnp.arange(depth) == i), pulls

    _, pulls = lax.scan(pull, jnp.zeros(depth), (of, jnp.arange(depth)))
    wander = pulls**2 @ of.covariance[:, passed, passed]

    def drift(off: Array, x: tuple[_Layer, Array]) -> tuple[Array, Array]:
        layer, variance = x
        noise = layer.share**2 * layer.covariance[passed, passed]
        return layer.after.by_q * off + (layer.after.bend * variance - noise) / 2, off

    _, drifted = lax.scan(drift, jnp.zeros(()), (of, wander))

    def own(which: int, log: _Log) -> Logs:
        """Of an average over the layer's own units."""
        noise = of.covariance[:, which, which]
        return Logs(log.value + log.by_q * drifted + (log.bend * wander - noise) / 2, log.by_q**2 * wander + noise)

    pre_activation = own(z, _Log(of.log_q, jnp.ones(depth), jnp.zeros(depth)))
    activation = own(passed, of.passed)
    last = jax.tree.map(lambda a, b: jnp.where(hidden, a, b), activation, pre_activation)  # no phi follows it

    # From the last layer back: a product of the averages of (phi' u)^2 in the layers between.
    over = lambda x: jnp.cumsum(jnp.where(hidden, x, 0)[::-1])[::-1]  # noqa: E731
    factor = jnp.log(after.back) + own(back, of.slopes).mean
    above = hidden[None, :] & (jnp.arange(depth)[None, :] >= jnp.arange(depth)[:, None])
    through_q = (above * of.slopes.by_q[None, :]) @ pulls
    gradient = (
        through_q**2 @ of.covariance[:, passed, passed]
        + 2 * jnp.sum(through_q * above * of.covariance[:, passed, back], axis=1)
        + above @ of.covariance[:, back, back]
    )
    return pre_activation, last, Logs(over(factor), gradient)


def _look(phi: Activation, log_q: Array, here: Widths, above: Widths) -> _Layer:
    z, weights = gaussian_nodes(0.0, jnp.exp(log_q / 2))
    x = z**2 * jnp.exp(-log_q)
    squares = jnp.stack([x, phi(z) ** 2, slope_of(phi)(z) ** 2])
    mean = squares @ weights
    # The density's own derivatives by log q are (x - 1) / 2 of it, and ((x - 1)^2 / 4 - x / 2) of it.
    by_q, bend = squares @ (weights * (x - 1) / 2), squares @ (weights * ((x - 1) ** 2 / 4 - x / 2))
    passed, slopes = (_log(mean[k], by_q[k], bend[k]) for k in (1, 2))
    after = _log(above.forward * mean[1] + above.biases, above.forward * by_q[1], above.forward * bend[1])
    share = above.forward * mean[1] * jnp.exp(-after.value)

    # u is normal and independent of z: E u^4 = 3, E u^2 = 1.
    product = jnp.einsum("iz,jz,z->ij", squares, squares, weights, precision=lax.Precision.HIGHEST)
    relative = (product / jnp.outer(mean, mean)).at[2, 2].multiply(3) - 1
    # Weights that keep lengths leave nothing to chance in the average of z^2, forward, nor of u^2, back: conditional on them.
    with_z, with_u = relative[0], jnp.array([0.0, 0.0, 2.0])
    kept = here.kept_forward * jnp.outer(with_z, with_z) / 2 + above.kept_back * jnp.outer(with_u, with_u) / 2
    return _Layer(log_q, passed, slopes, after, share, (relative - kept) / here.units)


def _log(mean: Array, by_q: Array, bend: Array) -> _Log:
    return _Log(jnp.log(mean), by_q / mean, bend / mean - (by_q / mean) ** 2)
