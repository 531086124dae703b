"""The curvature against the most that a rule can bear."""

from typing import Any

import jax

from ..core import Tree, debias, root_with_eps
from ..rules import SGD, Adam, HeavyBall


def sharpness_ratio(value: Any, rule: Any, step: Any = 0, preconditioned: bool = False) -> Any:
    r"""The largest curvature over the most that the rule can bear: above 1 a step along it lands farther out than it began.

    $$\frac{\lambda}{\lambda_{\max}} \qquad \lambda_{\max} = \begin{cases}
    2 / \eta & \text{gradient descent} \\
    2 (1 + \mu) / ((1 - \tau)\, \eta) & \text{momentum } \mu \text{ with dampening } \tau \\
    2 (1 + \mu) / ((1 + 2 \mu - \mu \tau)\, \eta) & \text{Nesterov} \\
    2 (1 + \beta_1) / ((1 - \beta_1)\, \eta) & \text{Adam, on } P^{-1} H
    \end{cases}$$

    The limits are those of the rule's linear recurrence on a quadratic (Cohen et al. 2021, ICLR,
    <https://arxiv.org/abs/2103.00065>; for Adam, its preconditioner held, Cohen et al. 2022,
    <https://arxiv.org/abs/2207.14484>: 38 / eta at beta_1 = 0.9). Training on the whole data drifts to 1 and stays
    about it, so one reading above 1 is no alarm. With small batches the ratio settles lower.

    Args:
        value: lambda, in units of L / p**2, or with `preconditioned` in units of p: 1 / eta.
        rule: a rule with its hyperparameters.
        step: the step at which schedules are read, 0 for the first.
        preconditioned: whether the value is of $P^{-1} H$.

    Returns:
        The ratio, shaped as `value`, without unit; None for a rule whose limit is not known here (a chain, weight
        decay, others' rules), and where the value is of another matrix than the rule's limit.
    """
    if type(rule) not in (SGD, HeavyBall, Adam) or preconditioned != (type(rule) is Adam):
        return None
    now = rule.at(step)
    return value * now.learning_rate / _limit_times_rate(now)


def _limit_times_rate(rule: Any) -> Any:
    # `theory.stability_limit` in closed form: this runs inside a step, which takes less time than that search.
    if type(rule) is Adam:  # an average of gradients: momentum b1, dampened by b1
        return 2 * (1 + rule.b1) / (1 - rule.b1)
    if type(rule) is HeavyBall:
        return 2 * (1 + rule.momentum)
    if rule.momentum is None:
        return 2.0
    if rule.nesterov:
        return 2 * (1 + rule.momentum) / (1 + 2 * rule.momentum - rule.momentum * rule.dampening)
    return 2 * (1 + rule.momentum) / (1 - rule.dampening)


def adam_preconditioner(rule: Adam, state: Any) -> Tree:
    r"""What Adam divides its average gradient by (Cohen et al. 2022, <https://arxiv.org/abs/2207.14484>).

    $$P_t = (1 - \beta_1^t) \Big( \sqrt{v_t / (1 - \beta_2^t)} + \epsilon \Big) \qquad u_t = -\eta P_t^{-1} m_t$$

    Args:
        rule: an `Adam`.
        state: its state after at least one update; before, P is 0 / 0.

    Returns:
        P, a tree as the parameters, in units of g.

    Raises:
        ValueError: where the rule is another.
    """
    if type(rule) is not Adam:
        raise ValueError(f"adam_preconditioner needs an Adam, and was given {rule!r}")
    now, t = rule.at(state.step - 1), state.step
    m_correction, v_correction = debias(now.b1, t, now.debias), debias(now.b2, t, now.debias)
    root = lambda v: root_with_eps(v / v_correction, now.eps, now.eps_at, v_correction)  # noqa: E731
    return jax.tree.map(lambda v: m_correction * root(v), state.memory.v)
