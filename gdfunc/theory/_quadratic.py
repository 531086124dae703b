"""How fast rules come to the minimum of a quadratic, and the settings with which they do it fastest."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..rules import SGD, HeavyBall
from ._checks import check_range
from ._linear_map import linear_map, log_radius


def convergence_rate(rule: Any, curvatures: Any, step: Any = 0) -> Array:
    r"""The factor by which the distance to a quadratic's minimum shrinks in a step, in the long run.

    $$\rho = \max_i \rho(A(h_i)) \qquad (p, m)_{t+1} = A(h_i)\, (p, m)_t \text{ along each eigenvector of the Hessian}$$

    The linear map A is read off the rule's own update, as for `stability_limit`; an adaptive rule's preconditioner is held,
    and the curvatures are of $P^{-1} H$. Below 1 the rule converges; k steps gain a factor of about rho^k.

    Args:
        rule: anything with `init` and `update` that needs no more than gradients and parameters.
        curvatures: h, the eigenvalues, (n,) or a number.
        step: the step at which schedules are read, 0 for the first.

    Returns:
        rho, (), without unit, to about 1e-5 where A has no basis of eigenvectors.

    Raises:
        ValueError: as `stability_limit`.
    """
    found = linear_map("convergence_rate", rule, step)
    logs = jax.vmap(lambda h: log_radius(found.on_parabola(h)))(jnp.ravel(jnp.asarray(curvatures, float)))
    return jnp.exp(jnp.max(logs))


class Best(NamedTuple):
    """A rule with its best settings for a quadratic, and the factor a step with them."""

    rule: Any
    rate: Any


def best_gradient_descent(smallest: Any, largest: Any) -> Best:
    r"""Gradient descent with the learning rate that is best for a quadratic (Lessard, Recht & Packard 2016, SIAM J. Optim., <https://arxiv.org/abs/1408.3595>, proposition 1).

    $$\eta = \frac{2}{L + m} \qquad \rho = \frac{\kappa - 1}{\kappa + 1} \qquad \kappa = L / m$$

    Args:
        smallest: m > 0, the least eigenvalue of the Hessian.
        largest: L >= m, the largest.

    Returns:
        `Best`: an `SGD`, and rho.

    Raises:
        ValueError: unless 0 < smallest <= largest.
    """
    m, k = _ends("best_gradient_descent", smallest, largest)
    return Best(SGD(2 / (largest + m)), (k - 1) / (k + 1))


def best_nesterov(smallest: Any, largest: Any) -> Best:
    r"""Nesterov's method with the settings that are best for a quadratic (Lessard, Recht & Packard 2016, <https://arxiv.org/abs/1408.3595>, proposition 1).

    $$\eta = \frac{4}{3 L + m} \qquad \mu = \frac{\sqrt{3 \kappa + 1} - 2}{\sqrt{3 \kappa + 1} + 2} \qquad
    \rho = 1 - \frac{2}{\sqrt{3 \kappa + 1}}$$

    Args:
        smallest: m > 0.
        largest: L >= m.

    Returns:
        `Best`: an `SGD` with Nesterov's momentum, and rho.

    Raises:
        ValueError: unless 0 < smallest <= largest.
    """
    m, k = _ends("best_nesterov", smallest, largest)
    root = (3 * k + 1) ** 0.5
    return Best(SGD(4 / (3 * largest + m), momentum=(root - 2) / (root + 2), nesterov=True), 1 - 2 / root)


def best_heavy_ball(smallest: Any, largest: Any) -> Best:
    r"""The heavy ball with the settings that are best for a quadratic (Polyak 1964, USSR Comput. Math. 4(5), <https://doi.org/10.1016/0041-5553(64)90137-5>).

    $$\eta = \frac{4}{(\sqrt L + \sqrt m)^2} \qquad \mu = \Big(\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\Big)^2 \qquad
    \rho = \frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$$

    No method that goes by gradients alone has a better one. On functions that are no quadratics these settings may
    cycle and never arrive (Lessard, Recht & Packard 2016, section 4.6).

    Args:
        smallest: m > 0.
        largest: L >= m.

    Returns:
        `Best`: a `HeavyBall`, and rho, which is approached like $t \rho^t$.

    Raises:
        ValueError: unless 0 < smallest <= largest.
    """
    m, k = _ends("best_heavy_ball", smallest, largest)
    rate = (k**0.5 - 1) / (k**0.5 + 1)
    return Best(HeavyBall(4 / (largest**0.5 + m**0.5) ** 2, momentum=rate**2), rate)


def _ends(who: str, smallest: Any, largest: Any) -> tuple[Any, Any]:
    """(m, the condition number)."""
    check_range(who, "smallest", smallest, above=0)
    check_range(who, "largest", largest, low=smallest)
    return smallest, largest / smallest
