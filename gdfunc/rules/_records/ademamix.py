import numpy as np

from ...core import Paper, Record, Twin
from .._ademamix import AdEMAMix
from ._common import TORCH_HAS_NONE, literal_debias, one_minus_power


def optax(learning_rate, b1, b2, b3, alpha, eps, weight_decay, debias):
    if debias == "none":
        return "optax.contrib.ademamix always corrects the new average and the squares"
    rest = {"b1": b1, "b2": b2, "b3": b3, "alpha": alpha, "eps": eps}
    return {"learning_rate": learning_rate, **rest, "weight_decay": weight_decay or 0.0}


def paper(gradients, params, learning_rate, b1, b2, b3, alpha, eps, weight_decay):
    m1, m2, nu, updates = 0.0, 0.0, 0.0, []
    for t, (g, theta) in enumerate(zip(gradients, params, strict=True), 1):
        m1 = b1 * m1 + (1 - b1) * g
        m2 = b3 * m2 + (1 - b3) * g
        nu = b2 * nu + (1 - b2) * g**2
        m1_hat, nu_hat = m1 / one_minus_power(b1, t), nu / one_minus_power(b2, t)
        decay = (weight_decay or 0.0) * theta
        updates.append(-learning_rate * ((m1_hat + alpha * m2) / (np.sqrt(nu_hat) + eps) + decay))
    return np.stack(updates)


RECORD = Record(
    name="ademamix",
    family="adaptive",
    papers=(
        Paper(
            "Pagliardini, Ablin & Grangier",
            2024,
            "The AdEMAMix Optimizer: Better, Faster, Older",
            "ICLR 2025",
            "https://arxiv.org/abs/2409.03137",
        ),
    ),
    make=AdEMAMix,
    twins=(
        Twin(
            "optax.contrib.ademamix",
            optax,
            {"m1": "m1", "m2": "m2", "v": "nu"},
            note="It takes the same schedules for b3 and alpha, and has none of its own.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-3, "debias": "power"},
        {
            "learning_rate": 0.1,
            "b1": 0.5,
            "b2": 0.9,
            "b3": 0.95,
            "alpha": 2.0,
            "eps": 1e-3,
            "weight_decay": 0.1,
            "debias": "power",
        },
    ),
    transcription=paper,
    deviations=(literal_debias("optax.contrib.ademamix", float32=80, float64=32, b2=0.999),),
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
