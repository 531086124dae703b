import numpy as np

from ...core import Paper, Record
from .._adam_atan2 import AdamAtan2
from ._common import TORCH_HAS_NONE, one_minus_power


def paper(gradients, params, learning_rate, b1, b2, a, b):
    m, v, updates = 0.0, 0.0, []
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / one_minus_power(b1, t), v / one_minus_power(b2, t)
        updates.append(-learning_rate * a * np.arctan2(m_hat, b * np.sqrt(v_hat)))
    return np.stack(updates)


RECORD = Record(
    name="adam_atan2",
    family="adaptive",
    papers=(
        Paper(
            "Everett et al.",
            2024,
            "Scaling Exponents Across Parameterizations and Optimizers",
            "ICML",
            "https://arxiv.org/abs/2407.05872",
        ),
    ),
    make=AdamAtan2,
    no_twin={"optax": "Optax has no Adam-atan2", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "a": 1.27},
        {"learning_rate": 1e-3, "a": 10.0, "b": 8.0},
    ),
    transcription=paper,
)
