from ..core import rule
from ._adamax import Adamax
from ._decoupled import Decoupled


@rule
class AdamaxW(Decoupled, Adamax):
    r"""Adamax with weight decay beside the gradient, not in it (Adamax: Kingma & Ba 2015, ICLR; decay: Loshchilov & Hutter 2019, ICLR, <https://arxiv.org/abs/1711.05101>).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad w_t = \max(\beta_2 w_{t-1}, |g_t| + \epsilon) \\
    u_t &= -\eta\, \frac{m_t}{1-\beta_1^t} / w_t - s_t \lambda\, p_{t-1}
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: the most that the gradient moves a parameter in a step.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): the maximum forgets over about 1 / (1 - b2) steps.
        eps: epsilon >= 0, in units of g.
        debias: how 1 - beta_1**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out.
        weight_decay: lambda >= 0; with decay="schedule" the share of p lost at each step, as for AdamW.
        schedule: s_t >= 0, without unit: the multiplier that also stands in learning_rate, for decay="schedule".
        decay: "schedule": s_t lambda p, independent of the rate; "rate": eta lambda p, as in Optax; "coupled": lambda p is
            added to the gradient (PyTorch's `Adamax(weight_decay=...)`).

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """
