"""The worst that can happen: how far methods may be from the minimum after so many steps, on any function of a class."""

from typing import Any

from ._checks import check_range


def gradient_descent_bound(smoothness: Any, distance: Any, steps: Any) -> Any:
    r"""The most that gradient descent's loss can be above the minimum after N steps of 1 / L (Drori & Teboulle 2014, Math. Program. 145, <https://arxiv.org/abs/1206.3209>).

    $$f(x_N) - f^* \le \frac{L R^2}{4 N + 2}$$

    for convex f with an L-Lipschitz gradient; Huber's function attains it.

    Args:
        smoothness: L > 0.
        distance: R >= 0, from the start to the minimum.
        steps: N >= 0.

    Returns:
        The bound, in units of the loss.

    Raises:
        ValueError: where an argument leaves its range.
    """
    _check("gradient_descent_bound", smoothness, distance, steps)
    return smoothness * distance**2 / (4 * steps + 2)


def nesterov_bound(smoothness: Any, distance: Any, steps: Any) -> Any:
    r"""The most that Nesterov's method can be above the minimum after N steps of 1 / L (Nesterov 1983; Beck & Teboulle 2009, SIAM J. Imaging Sci., <https://doi.org/10.1137/080716542>, theorem 4.4).

    $$f(x_N) - f^* \le \frac{2 L R^2}{(N + 1)^2}$$

    for convex f, with the momentum $(\theta_t - 1) / \theta_{t+1}$, $\theta_{t+1} = (1 + \sqrt{1 + 4 \theta_t^2}) / 2$.

    Args:
        smoothness: L > 0.
        distance: R >= 0.
        steps: N >= 1.

    Returns:
        The bound, in units of the loss.

    Raises:
        ValueError: where an argument leaves its range.
    """
    _check("nesterov_bound", smoothness, distance, steps)
    return 2 * smoothness * distance**2 / (steps + 1) ** 2


def first_order_lower_bound(smoothness: Any, distance: Any, steps: Any) -> Any:
    r"""What no method that goes by gradients can be sure to get below (Nesterov 2004, Introductory Lectures on Convex Optimization, theorem 2.1.7).

    $$f(x_N) - f^* \ge \frac{3 L R^2}{32 (N + 1)^2}$$

    for some convex f of at least 2 N + 1 dimensions.

    Args:
        smoothness: L > 0.
        distance: R >= 0.
        steps: N >= 1.

    Returns:
        The bound, in units of the loss.

    Raises:
        ValueError: where an argument leaves its range.
    """
    _check("first_order_lower_bound", smoothness, distance, steps)
    return 3 * smoothness * distance**2 / (32 * (steps + 1) ** 2)


def steepest_descent_factor(condition: Any) -> Any:
    r"""The most of the loss that a step of steepest descent with exact line search can leave, on a quadratic (Kantorovich's inequality).

    $$\frac{f(x_{t+1}) - f^*}{f(x_t) - f^*} \le \Big(\frac{\kappa - 1}{\kappa + 1}\Big)^2$$

    attained at every step from $(\kappa, 1)$ on $f = (x^2 + \kappa y^2) / 2$ (Akaike 1959, Ann. Inst. Stat. Math. 11).

    Args:
        condition: kappa >= 1, the largest curvature over the smallest.

    Returns:
        The factor, without unit.

    Raises:
        ValueError: where kappa is below 1.
    """
    check_range("steepest_descent_factor", "condition", condition, low=1)
    return ((condition - 1) / (condition + 1)) ** 2


def conjugate_gradient_bound(condition: Any, steps: Any) -> Any:
    r"""The most of the error that conjugate gradients can leave after N steps on a quadratic (Hestenes & Stiefel 1952; Saad 2003, Iterative Methods for Sparse Linear Systems, theorem 6.29).

    $$\frac{\lVert x_N - x^* \rVert_H}{\lVert x_0 - x^* \rVert_H} \le
    2 \Big(\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}\Big)^N$$

    Args:
        condition: kappa >= 1.
        steps: N >= 0.

    Returns:
        The factor on the error's norm $\sqrt{e^\top H e}$, without unit.

    Raises:
        ValueError: where an argument leaves its range.
    """
    check_range("conjugate_gradient_bound", "condition", condition, low=1)
    check_range("conjugate_gradient_bound", "steps", steps, low=0)
    root = condition**0.5
    return 2 * ((root - 1) / (root + 1)) ** steps


def _check(who: str, smoothness: Any, distance: Any, steps: Any) -> None:
    check_range(who, "smoothness", smoothness, above=0)
    check_range(who, "distance", distance, low=0)
    check_range(who, "steps", steps, low=0)
