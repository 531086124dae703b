import numpy as np

from ...core import Paper, Record, Twin
from .._lamb import LAMB
from ._common import TORCH_HAS_NONE, one_minus_power


def optax(learning_rate, b1, b2, eps, weight_decay, debias):
    if debias == "none":
        return "optax.lamb always corrects its averages"
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "weight_decay": weight_decay}


def paper(gradients, params, learning_rate, b1, b2, eps, weight_decay):
    m, v, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for t, (g, x) in enumerate(zip(gradients, params, strict=True), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        r = m / one_minus_power(b1, t) / (np.sqrt(v / one_minus_power(b2, t)) + eps)
        direction = r + weight_decay * x
        phi = np.sqrt(np.sum(x**2))
        updates.append(-learning_rate * phi / np.sqrt(np.sum(direction**2)) * direction)
    return np.stack(updates)


RECORD = Record(
    name="lamb",
    family="layer-wise",
    papers=(
        Paper(
            "You et al.",
            2020,
            "Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes",
            "ICLR",
            "https://arxiv.org/abs/1904.00962",
        ),
    ),
    make=LAMB,
    twins=(Twin("optax.lamb", optax, {"m": "mu", "v": "nu"}, note="Its default weight_decay is 0, ours 0.01."),),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-2},
        {"learning_rate": 1e-2, "debias": "power"},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.5, "debias": "power"},
        {"learning_rate": 0.1, "b1": 0.8, "b2": 0.99, "eps": 1e-4, "weight_decay": 0.0},
    ),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
