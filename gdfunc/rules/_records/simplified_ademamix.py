import numpy as np

from ...core import Paper, Record, Twin
from .._simplified_ademamix import SimplifiedAdEMAMix
from ._common import TORCH_HAS_NONE, one_minus_power


def optax(learning_rate, b1, b2, alpha, eps, weight_decay, debias):
    if debias == "none":
        return "optax.contrib.simplified_ademamix always corrects the average of squares"
    rest = {"b1": b1, "b2": b2, "alpha": alpha, "eps": eps, "weight_decay": weight_decay or 0.0}
    return {"learning_rate": learning_rate, **rest}


def paper(gradients, params, learning_rate, b1, b2, alpha, eps, weight_decay):
    m, nu, updates = 0.0, 0.0, []
    for t, (g, theta) in enumerate(zip(gradients, params, strict=True), 1):
        m = b1 * m + g
        nu = b2 * nu + (1 - b2) * g**2
        nu_hat = nu / one_minus_power(b2, t)
        decay = (weight_decay or 0.0) * theta
        updates.append(-learning_rate * ((m + alpha * g) / (np.sqrt(nu_hat) + eps) + decay))
    return np.stack(updates)


RECORD = Record(
    name="simplified_ademamix",
    family="adaptive",
    papers=(
        Paper(
            "Morwani, Vyas, Zhang & Kakade",
            2025,
            "Connections between Schedule-Free Optimizers, AdEMAMix, and Accelerated SGD Variants",
            "arXiv",
            "https://arxiv.org/abs/2502.02431",
        ),
    ),
    make=SimplifiedAdEMAMix,
    twins=(Twin("optax.contrib.simplified_ademamix", optax, {"m": "m", "v": "n"}),),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-4},
        {
            "learning_rate": 0.1,
            "b1": 0.9,
            "b2": 0.9,
            "alpha": 5.0,
            "eps": 1e-3,
            "weight_decay": 0.1,
            "debias": "power",
        },
    ),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
