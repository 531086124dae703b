"""The Hessian's spectrum from products with it: its trace and its density."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from ..core import Tree, check_params, wide
from ..gradients import hessian_vector_product
from ..rules._hutchinson import hessian_diagonal
from ._lanczos import at_least_one, lanczos


class HessianTrace(NamedTuple):
    """An estimate of a trace.

    Attributes:
        leaves: a tree as `params` of (): the trace of each leaf's own block, in units of L / p**2.
        errors: likewise, their standard errors; NaN from a single probe.
        total: (), the trace.
        total_error: (), its standard error.
    """

    leaves: Tree
    errors: Tree
    total: Array
    total_error: Array


def hessian_trace(
    loss_fn: Callable[[Tree, Tree], Array], params: Tree, batch: Tree, key: Array, probes: int = 10
) -> HessianTrace:
    r"""The Hessian's trace, leaf by leaf, from random signs (Hutchinson 1990, Commun. Stat. Simul. Comput. 19(2), <https://doi.org/10.1080/03610919008812866>).

    $$\operatorname{tr} H = \mathbb{E}[z^\top H z], \quad z_i = \pm 1 \qquad
    \operatorname{Var}[z^\top H z] = 2 \sum_{i \ne j} H_{ij}^2$$

    Each probe costs two to two and a half gradients.

    Args:
        loss_fn: (params, batch) -> (), the loss.
        params: a pytree of real floating-point arrays.
        batch: what the loss is taken on.
        key: a JAX key.
        probes: how many z, 1 or more: the error falls as its root.

    Returns:
        A `HessianTrace`.

    Raises:
        ValueError: where `probes` is below 1, or a leaf is no real floating-point array.
    """
    check_params(params, "hessian_trace")
    at_least_one("hessian_trace", probes=probes)

    def probe(key: Array) -> Tree:
        diagonal = hessian_diagonal(lambda p: jax.grad(loss_fn)(p, batch), params, key)
        return jax.tree.map(lambda d: jnp.sum(wide(d)), diagonal)

    each = lax.map(probe, jax.random.split(key, probes))
    total = jnp.sum(jnp.stack(jax.tree.leaves(each)), axis=0)
    mean = lambda x: jnp.mean(x, axis=0)  # noqa: E731
    error = lambda x: jnp.std(x, axis=0, ddof=1) / probes**0.5  # noqa: E731
    return HessianTrace(jax.tree.map(mean, each), jax.tree.map(error, each), mean(total), error(total))


class SpectralDensity(NamedTuple):
    """A spectrum as weighted points.

    Attributes:
        nodes: (probes, k), eigenvalues, in units of L / p**2.
        weights: (probes, k), the share of the spectrum at each; they sum to 1 over all.
    """

    nodes: Array
    weights: Array


def spectral_density(
    loss_fn: Callable[[Tree, Tree], Array], params: Tree, batch: Tree, key: Array, steps: int = 30, probes: int = 4
) -> SpectralDensity:
    r"""How the Hessian's eigenvalues are spread, by stochastic Lanczos quadrature (Ghorbani, Krishnan & Xiao 2019, ICML, <https://arxiv.org/abs/1901.10159>).

    $$\frac1n \sum_i f(\lambda_i) \approx \frac1m \sum_{l=1}^m \sum_{j=1}^k w_{lj} f(\theta_{lj})$$

    Exact for polynomials f up to degree 2 k - 1, but for the noise of the m random starts. Costs `probes * steps`
    products of two to two and a half gradients, one after the other, and memory for `steps` copies of the parameters:
    an instrument for a checkpoint rather than for every step.

    Args:
        loss_fn: (params, batch) -> (), the loss.
        params: a pytree of real floating-point arrays, n entries in all.
        batch: what the loss is taken on.
        key: a JAX key.
        steps: k, the Lanczos steps from each start.
        probes: m, the random starts.

    Returns:
        A `SpectralDensity`; `smooth_density` draws it.

    Raises:
        ValueError: where a count is below 1, or a leaf is no real floating-point array.
    """
    check_params(params, "spectral_density")
    at_least_one("spectral_density", steps=steps, probes=probes)
    flat, unravel = ravel_pytree(params)
    product = lambda v: hessian_vector_product(loss_fn, params, v, batch)  # noqa: E731

    def probe(key: Array) -> tuple[Array, Array]:
        found = lanczos(product, unravel(jax.random.normal(key, flat.shape, flat.dtype)), steps)
        return found.values, found.weights

    nodes, weights = lax.map(probe, jax.random.split(key, probes))
    return SpectralDensity(nodes, weights / probes)


def smooth_density(density: SpectralDensity, grid: Array, width: float | Array) -> Array:
    r"""A spectrum's points as a curve: a Gaussian in place of each.

    $$\phi(t) = \sum_j w_j\, \frac{1}{\sigma \sqrt{2 \pi}} \exp\!\Big(\!-\frac{(t - \theta_j)^2}{2 \sigma^2}\Big)$$

    Args:
        density: what `spectral_density` found.
        grid: t, (points,).
        width: sigma > 0, in units of the eigenvalues; structure narrower than this disappears.

    Returns:
        phi, (points,), in units of 1 / eigenvalue; its integral is 1.
    """
    bells = jax.scipy.stats.norm.pdf(jnp.asarray(grid)[:, None], density.nodes.reshape(1, -1), width)
    return bells @ density.weights.ravel()
