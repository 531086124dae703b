import numpy as np

from ...core import Paper, Record
from .._laprop import LaProp
from ._common import TORCH_HAS_NONE, one_minus_power


def paper(gradients, params, learning_rate, b1, b2, eps):
    mu, nu, m, n, updates = b1, b2, 0.0, 0.0, []
    for t, g in enumerate(gradients, 1):
        n = nu * n + (1 - nu) * g**2
        m = mu * m + (1 - mu) * g / (np.sqrt(n / one_minus_power(nu, t)) + eps)
        updates.append(-learning_rate * m / one_minus_power(mu, t))
    return np.stack(updates)


RECORD = Record(
    name="laprop",
    family="adaptive",
    papers=(
        Paper(
            "Ziyin, Wang & Ueda",
            2020,
            "LaProp: Separating Momentum and Adaptivity in Adam",
            "arXiv",
            "https://arxiv.org/abs/2002.04839",
        ),
    ),
    make=LaProp,
    no_twin={"optax": "Optax has no LaProp", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 4e-4},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
        {"learning_rate": 0.1, "b1": 0.99, "b2": 0.0},
    ),
    transcription=paper,
)
