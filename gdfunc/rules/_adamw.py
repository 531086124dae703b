from ..core import rule
from ._adam import Adam
from ._decoupled import Decoupled


@rule
class AdamW(Decoupled, Adam):
    r"""Adam with weight decay beside the gradient, not in it (Loshchilov & Hutter 2019, ICLR, <https://arxiv.org/abs/1711.05101>, Algorithm 2).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    u_t &= -\eta\, \hat m_t / (\sqrt{\hat v_t} + \epsilon) - s_t \lambda\, p_{t-1}
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, in units of p: the paper's s_t alpha, the scheduled rate.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) squared gradients.
        eps: epsilon >= 0, in units of g.
        eps_at: "outside" the root; "inside" it; "before_debias", added to the root of v_t before the correction.
        debias: how 1 - beta**t is computed: "exact", or "power" as Optax and PyTorch do; "none" leaves it out.
        weight_decay: lambda >= 0. With decay="schedule" it is the share of p lost at each step, in 1 / step: a weight
            left alone halves in 0.7 / lambda steps. PyTorch's 0.01 at a rate of 1e-3 is 1e-5 here, or 0.01 with
            decay="rate". The default is the best value in the paper's figure 2, 1/8 of 0.001.
        schedule: s_t >= 0, without unit: the multiplier that also stands in learning_rate, for decay="schedule".
        decay: "schedule": the decay is s_t lambda p, independent of the rate, as in the paper; "rate": eta lambda p, as
            in Optax and PyTorch; "coupled": lambda p is added to the gradient, which is Adam with an L2 penalty
            (PyTorch's `Adam(weight_decay=...)`).

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """
