from ..core import rule
from ._decoupled import Decoupled
from ._nadam import NAdam


@rule
class NAdamW(Decoupled, NAdam):
    r"""NAdam with weight decay beside the gradient, not in it (NAdam: Dozat 2016, ICLR workshop; decay: Loshchilov & Hutter 2019, ICLR, <https://arxiv.org/abs/1711.05101>).

    $$\begin{aligned}
    \mu_t &= \beta_1 (1 - \tfrac12\, 0.96^{\psi t}) \qquad \Pi_t = \prod_{i \le t} \mu_i \\
    m_t &= \mu_t m_{t-1} + (1-\mu_t) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= \frac{\mu_{t+1} m_t}{1-\Pi_{t+1}} + \frac{(1-\mu_t) g_t}{1-\Pi_t} \qquad
    \hat v_t = \frac{\beta_2 v_t}{1-\beta_2^t} \\
    u_t &= -\eta\, \hat m_t / (\sqrt{\hat v_t} + \epsilon) - s_t \lambda\, p_{t-1}
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: about the most that the gradient moves a parameter in a step.
        b1: beta_1 in [0, 1): where the momentum mu ends.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        momentum_decay: psi >= 0, in 1 / step: how fast mu grows from b1 / 2 to b1.
        momentum: "scheduled", as in Dozat's paper; "constant": mu_t = beta_1, as in Optax.
        average: "scheduled": m averages with mu_t; "constant": with beta_1, as in PyTorch.
        b2_factor: whether v_hat keeps Dozat's factor beta_2, which every implementation drops.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out.
        weight_decay: lambda >= 0; with decay="schedule" the share of p lost at each step, as for AdamW.
        schedule: s_t >= 0, without unit: the multiplier that also stands in learning_rate, for decay="schedule".
        decay: "schedule": s_t lambda p, independent of the rate; "rate": eta lambda p, as in Optax and PyTorch; "coupled":
            lambda p is added to the gradient.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """
