"""How far a network of finite width strays from an infinitely wide one: the first order in 1 / width."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Activation, gaussian_mean, slope_of


class Widths(NamedTuple):
    """What theory needs of every layer, in depth order: each (depth,)."""

    units: Array  # n_l, out of layer l
    forward: Array  # sigma_w^2 on the way forward: n_{l-1} E w^2
    back: Array  # on the way back: n_l E w^2
    biases: Array  # E b^2
    kept_forward: (
        Array  # 0 for independent weights, 1 for those that keep every vector's length; between for projections
    )
    kept_back: Array  # likewise on the way back


class Logs(NamedTuple):
    """Mean and variance of the logarithm of a mean square, in every layer: each (depth,)."""

    mean: Array
    variance: Array


class _Layer(NamedTuple):
    """The averages over the units of one layer, and how they move with the layer's length q; (), but `covariance` (3, 3)."""

    log_q: Array
    log_passed: Array  # log E phi^2
    log_slopes: Array  # log E phi'^2
    covariance: Array  # of the averages of z^2, phi^2 and (phi' u)^2 over n units, relative to their expectation
    share: Array  # of the weights in the next layer's q; the rest is the biases'
    next_by_q: Array  # d log q_{l+1} / d log q_l
    next_bend: Array  # and its derivative
    passed_by_q: Array
    passed_bend: Array
    slopes_by_q: Array
    slopes_bend: Array


@partial(jax.jit, static_argnums=0)
def log_sizes(phi: Activation, widths: Widths, input_square: Array) -> tuple[Logs, Logs, Logs]:
    """Of z_l^2, of a_l^2 and of (dL/dz_l)^2 over the last layer's, each averaged over the units, for one input.

    A layer's q is the average of n independent units of the layer below, given theirs: so log q is a random walk
    that layers pull back to, or do not. Means are to second order in its steps, variances to first.
    """
    after = jax.tree.map(lambda x: jnp.append(x[1:], x[-1:], axis=0), widths)  # the last one's is not used

    def layer(log_q: Array, of: tuple[Widths, Widths]) -> tuple[Array, _Layer]:
        here, above = of
        found = _look(phi, log_q, above)
        return _next_length(phi, log_q, above), found._replace(covariance=_covariance(phi, log_q, here, above))

    first = jnp.log(widths.forward[0] * input_square + widths.biases[0])
    _, of = lax.scan(layer, first, (widths, after))
    depth = len(widths.units)
    hidden = jnp.arange(depth) < depth - 1
    z, passed, back = range(3)

    # The logarithm of q in layer l is pulls[l] @ (the averages of phi^2 in the layers below), less their expectation.
    def pull(pulls: Array, x: tuple[_Layer, Array]) -> tuple[Array, Array]:
        layer, i = x
        return layer.next_by_q * pulls + layer.share * (jnp.arange(depth) == i), pulls

    _, pulls = lax.scan(pull, jnp.zeros(depth), (of, jnp.arange(depth)))
    wander = pulls**2 @ of.covariance[:, passed, passed]

    def drift(mean: Array, x: tuple[_Layer, Array]) -> tuple[Array, Array]:
        layer, variance = x
        noise = layer.share**2 * layer.covariance[passed, passed]
        return layer.next_by_q * mean + (layer.next_bend * variance - noise) / 2, mean

    _, mean = lax.scan(drift, jnp.zeros(()), (of, wander))
    mean = mean + of.log_q
    drifted = mean - of.log_q

    def own(which: int, log: Array, by_q: Array, bend: Array) -> Logs:
        """Of an average over the layer's own units."""
        noise = of.covariance[:, which, which]
        return Logs(log + by_q * drifted + (bend * wander - noise) / 2, by_q**2 * wander + noise)

    pre_activation = own(z, of.log_q, jnp.ones(depth), jnp.zeros(depth))
    activation = own(passed, of.log_passed, of.passed_by_q, of.passed_bend)
    last = jax.tree.map(lambda a, b: jnp.where(hidden, a, b), activation, pre_activation)  # no phi follows it

    # From the last layer back: a product of the averages of (phi' u)^2 in the layers between.
    over = lambda x: jnp.cumsum(jnp.where(hidden, x, 0)[::-1])[::-1]  # noqa: E731
    factor = jnp.log(after.back) + own(back, of.log_slopes, of.slopes_by_q, of.slopes_bend).mean
    above = hidden[None, :] & (jnp.arange(depth)[None, :] >= jnp.arange(depth)[:, None])
    through_q = (above * of.slopes_by_q[None, :]) @ pulls
    gradient = (
        through_q**2 @ of.covariance[:, passed, passed]
        + 2 * jnp.sum(through_q * above * of.covariance[:, passed, back], axis=1)
        + above @ of.covariance[:, back, back]
    )
    return pre_activation, last, Logs(over(factor), gradient)


def _next_length(phi: Activation, log_q: Array, above: Widths) -> Array:
    return jnp.log(above.forward * gaussian_mean(lambda z: phi(z) ** 2, jnp.exp(log_q)) + above.biases)


def _look(phi: Activation, log_q: Array, above: Widths) -> _Layer:
    passed = lambda s: jnp.log(gaussian_mean(lambda z: phi(z) ** 2, jnp.exp(s)))  # noqa: E731
    slopes = lambda s: jnp.log(gaussian_mean(lambda z: slope_of(phi)(z) ** 2, jnp.exp(s)))  # noqa: E731
    q_above = partial(_next_length, phi, above=above)

    def bends(f) -> tuple[Array, Array, Array]:
        by_q = jax.grad(f)
        return f(log_q), *jax.jvp(by_q, (log_q,), (jnp.ones_like(log_q),))

    after, passing, sloping = bends(q_above), bends(passed), bends(slopes)
    return _Layer(
        log_q=log_q,
        log_passed=passing[0],
        log_slopes=sloping[0],
        covariance=jnp.zeros((3, 3)),
        share=above.forward * jnp.exp(passing[0] - after[0]),
        next_by_q=after[1],
        next_bend=after[2],
        passed_by_q=passing[1],
        passed_bend=passing[2],
        slopes_by_q=sloping[1],
        slopes_bend=sloping[2],
    )


def _covariance(phi: Activation, log_q: Array, here: Widths, above: Widths) -> Array:
    """(3, 3), relative: of the averages of z^2, phi(z)^2 and (phi'(z) u)^2 over the units, u the gradient that comes to them."""
    q = jnp.exp(log_q)
    f = (lambda z: z**2, lambda z: phi(z) ** 2, lambda z: slope_of(phi)(z) ** 2)
    mean = [gaussian_mean(each, q) for each in f]
    product = jnp.stack(
        [
            jnp.stack(
                [gaussian_mean(lambda z, a=a, b=b: a(z) * b(z), q) / (m * n) for b, n in zip(f, mean, strict=True)]
            )
            for a, m in zip(f, mean, strict=True)
        ]
    )
    # u is normal and independent of z: E u^4 = 3, E u^2 = 1.
    relative = product.at[2, 2].multiply(3) - 1
    # Weights that keep lengths leave nothing to chance in the average of z^2, forward, nor of u^2, back: conditional on them.
    with_z, with_u = relative[0], jnp.array([0.0, 0.0, 2.0])
    kept = here.kept_forward * jnp.outer(with_z, with_z) / 2 + above.kept_back * jnp.outer(with_u, with_u) / 2
    return (relative - kept) / here.units
