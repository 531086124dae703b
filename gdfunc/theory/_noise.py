"""What noisy gradients leave of a rule's aim, and what larger batches buy."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from ._checks import check_range
from ._linear_map import linear_map, log_radius


def stationary_variance(rule: Any, curvature: Any, noise_variance: Any, step: Any = 0) -> Array:
    r"""How far from the minimum of a parabola noisy gradients keep a parameter, in the long run (Mandt, Hoffman & Blei 2017, JMLR 18, <https://arxiv.org/abs/1704.04289>).

    $$\Sigma = A \Sigma A^\top + s^2\, b b^\top \qquad g_t = h p_t + s\, \epsilon_t \qquad \operatorname{Var} p = \Sigma_{pp}$$

    with A and b the rule's linear map of parameter and memory, and what a gradient of 1 adds to it, read off its own update.
    Gradient descent has $\eta s^2 / (h (2 - \eta h))$, the heavy ball
    $\eta (1 + \mu) s^2 / (h (1 - \mu)(2 (1 + \mu) - \eta h))$. The loss it stays above the minimum by is h / 2 times that.

    Args:
        rule: anything with `init` and `update` that needs no more than gradients and parameters.
        curvature: h > 0, of the parabola; for an adaptive rule of $P^{-1} H$, with its preconditioner held.
        noise_variance: s^2 >= 0, of a gradient: one example's over the batch's size.
        step: the step at which schedules are read, 0 for the first.

    Returns:
        Var p, (), in units of p**2; infinite beyond the rule's `stability_limit`.

    Raises:
        ValueError: as `stability_limit`, and where curvature or variance leaves its range.
    """
    check_range("stationary_variance", "curvature", curvature, above=0)
    check_range("stationary_variance", "noise_variance", noise_variance, low=0)
    found = linear_map("stationary_variance", rule, step)
    a, b = found.on_parabola(curvature), found.of_gradient()
    sums = jnp.eye(found.size**2) - jnp.kron(a, a)
    stable = log_radius(a) < 0
    sums = jnp.where(stable, sums, jnp.eye(found.size**2))
    variance = jnp.linalg.solve(sums, jnp.outer(b, b).ravel())[0]
    return jnp.where(stable, noise_variance * variance, jnp.inf)


def batch_efficiency(batch: Any, noise_scale: Any) -> Any:
    r"""How much of the best possible step a batch is good for (McCandlish, Kaplan, Amodei et al. 2018, <https://arxiv.org/abs/1812.06162>, eq 2.6).

    $$\frac{\eta_{\mathrm{opt}}(B)}{\eta_{\max}} = \frac{\Delta L(B)}{\Delta L_{\max}} = \frac{1}{1 + \mathcal B / B}$$

    Half at B equal to the noise scale: there twice the examples save a third of the steps. It is the best learning rate's
    share of the one for the whole data, and the share of its progress.

    Args:
        batch: B > 0, in examples.
        noise_scale: as `instruments.noise_scale` gives it, >= 0, in examples.

    Returns:
        The share, in [0, 1].

    Raises:
        ValueError: where an argument leaves its range.
    """
    check_range("batch_efficiency", "batch", batch, above=0)
    check_range("batch_efficiency", "noise_scale", noise_scale, low=0)
    return 1 / (1 + noise_scale / batch)
