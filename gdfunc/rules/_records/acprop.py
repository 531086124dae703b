import numpy as np

from ...core import Paper, Record, Twin
from .._acprop import ACProp
from ._common import TORCH_HAS_NONE, literal_debias, one_minus_power


def optax(learning_rate, b1, b2, eps, eps_root, centred_on, debias):
    if centred_on == "new_mean":
        return "optax.contrib.acprop measures the deviation from the mean before the step: centred_on='old_mean'"
    if debias == "none":
        return "optax.contrib.acprop always corrects the average of squares"
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root}


def paper(gradients, params, learning_rate, b1, b2, eps, eps_root):
    m = s = np.zeros_like(gradients[0])
    updates = []
    for t, g in enumerate(gradients, 1):
        s_hat = 1.0 if t == 1 else s / one_minus_power(b2, t - 1)
        updates.append(-learning_rate * g / (np.sqrt(s_hat) + eps))
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps_root
    return np.stack(updates)


RECORD = Record(
    name="acprop",
    family="adaptive",
    papers=(
        Paper(
            "Zhuang et al.",
            2021,
            "Momentum Centering and Asynchronous Update for Adaptive Gradient Methods",
            "NeurIPS",
            "https://arxiv.org/abs/2110.05454",
        ),
    ),
    make=ACProp,
    twins=(
        Twin(
            "optax.contrib.acprop",
            optax,
            {"m": "mu", "s": "nu"},
            note="centred_on='old_mean': its steps are b1 times the paper's. Its weight_decay is decoupled.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 0.1, "eps_root": 1e-4},
        {"learning_rate": 1e-3, "centred_on": "old_mean", "debias": "power"},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 0.1, "eps_root": 1e-4, "centred_on": "old_mean"},
        {"learning_rate": 0.1, "eps": 1e-2, "eps_root": 1e-6, "centred_on": "old_mean", "debias": "power"},
    ),
    transcription=paper,
    deviations=(literal_debias("optax.contrib.acprop", float32=80, float64=32, b2=0.999, centred_on="old_mean"),),
)
