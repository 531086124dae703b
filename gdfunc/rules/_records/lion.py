import numpy as np

from ...core import Paper, Record, Twin
from .._lion import Lion
from ._common import TORCH_HAS_NONE


def optax(learning_rate, b1, b2, weight_decay):
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "weight_decay": weight_decay or 0.0}


def paper(gradients, params, learning_rate, b1, b2, weight_decay):
    m, updates = np.zeros_like(gradients[0]), []
    for g, theta in zip(gradients, params, strict=True):
        c = b1 * m + (1 - b1) * g
        updates.append(-learning_rate * (np.sign(c) + (weight_decay or 0.0) * theta))
        m = b2 * m + (1 - b2) * g
    return np.stack(updates)


RECORD = Record(
    name="lion",
    family="sign",
    papers=(
        Paper(
            "Chen et al.",
            2023,
            "Symbolic Discovery of Optimization Algorithms",
            "NeurIPS",
            "https://arxiv.org/abs/2302.06675",
        ),
    ),
    make=Lion,
    twins=(Twin("optax.lion", optax, {"m": "mu"}, note="Its default weight_decay is 1e-3, ours none."),),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-4},
        {"learning_rate": 1e-3, "b1": 0.95, "b2": 0.98, "weight_decay": 0.5},
    ),
    transcription=paper,
)
