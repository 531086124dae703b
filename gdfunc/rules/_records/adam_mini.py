import numpy as np

from ...core import Paper, Record
from .._adam_mini import AdamMini
from ._common import TORCH_HAS_NONE, one_minus_power


def paper(gradients, params, learning_rate, b1, b2, eps, weight_decay, block):
    blocks = [()]
    if np.ndim(gradients[0]) == 2 and block == "row":
        blocks = [(i, slice(None)) for i in range(len(gradients[0]))]
    if np.ndim(gradients[0]) == 2 and block == "column":
        blocks = [(slice(None), j) for j in range(gradients.shape[2])]
    updates = np.zeros_like(gradients)
    for b in blocks:
        m, v = 0.0, 0.0
        for t, (gradient, w) in enumerate(zip(gradients, params, strict=True), 1):
            g = gradient[b]
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * np.mean(g * g)
            m_hat, v_hat = m / one_minus_power(b1, t), v / one_minus_power(b2, t)
            decay = learning_rate * (weight_decay or 0.0) * w[b]
            updates[(t - 1, *b)] = -decay - learning_rate * m_hat / (np.sqrt(v_hat) + eps)
    return updates


RECORD = Record(
    name="adam_mini",
    family="adaptive",
    papers=(
        Paper(
            "Zhang et al.",
            2024,
            "Adam-mini: Use Fewer Learning Rates To Gain More",
            "ICLR 2025",
            "https://arxiv.org/abs/2406.16793",
        ),
    ),
    make=AdamMini,
    no_twin={"optax": "Optax has no Adam-mini", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.1, "block": "row"},
        {"learning_rate": 1e-3, "block": "column"},
    ),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
