import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._adan import Adan
from ._common import TORCH_HAS_NONE, literal_debias, one_minus_power, zero_gradient_in_float16


def optax(learning_rate, b1, b2, b3, eps, weight_decay, decay, change_weight, debias):
    if weight_decay is not None and decay == "proximal":
        return "optax.adan subtracts the decay: decay='rate'"
    if debias == "first":
        return "optax.adan starts its averages at zero and corrects them: debias='power'"
    return {
        "learning_rate": learning_rate,
        "b1": b1,
        "b2": b2,
        "b3": b3,
        "eps": eps,
        "eps_root": 0.0,
        "weight_decay": weight_decay or 0.0,
    }


def paper(gradients, params, learning_rate, b1, b2, b3, eps, weight_decay, debias):
    # The paper's betas: the new value's share, not the old one's.
    beta1, beta2, beta3, decay = 1 - b1, 1 - b2, 1 - b3, weight_decay or 0.0
    from_zero = debias != "first"  # as in the authors' program
    m, v, n, updates = gradients[0], 0 * gradients[0], gradients[0] ** 2, []
    if from_zero:
        m, n = beta1 * m, beta3 * n
    for k, (g, theta) in enumerate(zip(gradients, params, strict=True)):
        if k == 1 and not from_zero:
            v = g - gradients[0]
        if k > 0:
            change = g - gradients[k - 1]
            m = (1 - beta1) * m + beta1 * g
            v = (1 - beta2) * v + beta2 * change
            n = (1 - beta3) * n + beta3 * (g + (1 - beta2) * change) ** 2
        c1, c2, c3 = (one_minus_power(b, k + 1) if from_zero else 1 for b in (b1, b2, b3))
        eta = learning_rate / (np.sqrt(n / c3) + eps)
        after = (theta - eta * (m / c1 + (1 - beta2) * v / c2)) / (1 + decay * learning_rate)
        updates.append(after - theta)
    return np.stack(updates)


RECORD = Record(
    name="adan",
    family="adaptive",
    papers=(
        Paper(
            "Xie et al.",
            2022,
            "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models",
            "arXiv",
            "https://arxiv.org/abs/2208.06677",
        ),
    ),
    make=Adan,
    twins=(
        Twin(
            "optax.adan",
            optax,
            {"m": "m", "v": "v", "n": "n", "g": "g"},
            note="change_weight='1 - b2', decay='rate'; its default eps_root=1e-8 has no equivalent: give it eps_root=0.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.1, "b1": 0.9, "b2": 0.8, "b3": 0.95, "eps": 1e-4, "weight_decay": 0.5},
        {"learning_rate": 1e-3, "debias": "power"},
        {"learning_rate": 1e-3, "change_weight": "1 - b2", "debias": "power"},
        {"learning_rate": 1e-3, "b3": 0.999, "change_weight": "1 - b2", "debias": "exact"},
        {
            "learning_rate": 0.1,
            "b1": 0.9,
            "b2": 0.8,
            "b3": 0.95,
            "eps": 1e-4,
            "weight_decay": 0.5,
            "decay": "rate",
            "change_weight": "1 - b2",
            "debias": "power",
        },
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.adan",
            since="optax 0.2.8",
            what="the gradient's change counts by 1 - b2 = 0.08, where the paper has b2 = 0.92: the paper's beta is 1 - b2",
            settings={"change_weight": "b2"},
            sizes={"float32": (2e6, 1.1e7), "float32 (x64)": (2e6, 1.1e7), "float64": (1.4e15, 5.7e15)},
            thread="https://github.com/google-deepmind/optax/pull/1715",
        ),
        literal_debias("optax.adan", float32=80, float64=30, b3=0.999),
        zero_gradient_in_float16("optax.adan", "eps is rounded to 0", "issues/1789", learning_rate=0.5, debias="power"),
    ),
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
