import numpy as np

from ...core import Paper, Record
from .._stable_adamw import StableAdamW
from ._common import TORCH_HAS_NONE, one_minus_power


def paper(gradients, params, learning_rate, b1, b2, eps, weight_decay, decay):
    v, u, updates = 0.0, 0.0, []
    for t, (g, theta) in enumerate(zip(gradients, params, strict=True), 1):
        b1_hat = b1 * one_minus_power(b1, t - 1) / one_minus_power(b1, t)
        b2_hat = b2 * one_minus_power(b2, t - 1) / one_minus_power(b2, t)
        v = b1_hat * v + (1 - b1_hat) * g
        u = b2_hat * u + (1 - b2_hat) * g**2
        rms = np.sqrt(np.mean(g**2 / np.maximum(u, eps**2)))
        eta = learning_rate / max(1, rms)
        shrink = (eta if decay == "clipped_rate" else learning_rate) * weight_decay
        updates.append(-shrink * theta - eta * v / (np.sqrt(u) + eps))
    return np.stack(updates)


RECORD = Record(
    name="stable_adamw",
    family="adaptive",
    papers=(
        Paper(
            "Wortsman et al.",
            2023,
            "Stable and low-precision training for large-scale vision-language models",
            "NeurIPS",
            "https://arxiv.org/abs/2304.13013",
        ),
    ),
    make=StableAdamW,
    no_twin={"optax": "Optax has no StableAdamW", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 2e-3},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.95, "eps": 1e-3, "weight_decay": 1.0},
        {"learning_rate": 2e-3, "decay": "rate"},
    ),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
