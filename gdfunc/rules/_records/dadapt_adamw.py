import numpy as np

from ...core import Paper, Record, Twin
from .._dadapt_adamw import DAdaptAdamW
from ._common import TORCH_HAS_NONE, one_minus_power
from ._whole_tree import flat_rows, unflat_rows


def optax(learning_rate, b1, b2, eps, first_d, weight_decay, debias):
    if debias == "none":
        return "optax.contrib.dadapt_adamw always corrects its averages"
    return {
        "learning_rate": learning_rate,
        "betas": (b1, b2),
        "eps": eps,
        "estim_lr0": first_d,
        "weight_decay": weight_decay,
    }


def paper(gradients, params, learning_rate, b1, b2, eps, first_d, weight_decay, debias):
    gs, xs, updates = flat_rows(gradients), flat_rows(params), []
    root_b2, d, r, m, v, s = np.sqrt(b2), first_d, 0.0, 0 * xs[0], 0 * xs[0], 0 * xs[0]
    for t, (g, x) in enumerate(zip(gs, xs, strict=True), 1):
        gamma = learning_rate
        if debias != "none":
            gamma *= np.sqrt(one_minus_power(b2, t)) / one_minus_power(b1, t)
        r = root_b2 * r + (1 - root_b2) * d * gamma * (g @ (s / (np.sqrt(v) + eps)))
        m = b1 * m + (1 - b1) * d * gamma * g
        v = b2 * v + (1 - b2) * g**2
        s = root_b2 * s + (1 - root_b2) * d * gamma * g
        updates.append(-m / (np.sqrt(v) + eps) - gamma * d * weight_decay * x)
        d = max(d, r / ((1 - root_b2) * np.sum(np.abs(s))))
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="dadapt_adamw",
    family="parameter-free",
    papers=(
        Paper(
            "Defazio & Mishchenko",
            2023,
            "Learning-Rate-Free Learning by D-Adaptation",
            "ICML",
            "https://arxiv.org/abs/2301.07733",
        ),
    ),
    make=DAdaptAdamW,
    twins=(
        Twin(
            "optax.contrib.dadapt_adamw",
            optax,
            {"m": "exp_avg", "v": "exp_avg_sq", "s": "grad_sum", "r": "numerator_weighted", "d": "estim_lr"},
            note="It always corrects the averages: debias='power'.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {},
        {"b2": 0.9, "debias": "power"},
        {
            "learning_rate": 0.5,
            "b1": 0.8,
            "b2": 0.9,
            "eps": 1e-3,
            "first_d": 1e-4,
            "weight_decay": 0.1,
            "debias": "power",
        },
        {"b2": 0.9, "debias": "exact"},
    ),
    transcription=paper,
    ill_conditioned="<g, s / a> is a sum of terms of both signs, and the rate made of it multiplies its own next terms",
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
