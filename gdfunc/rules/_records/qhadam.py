import numpy as np

from ...core import Record
from .._qhadam import QHAdam
from ._common import TORCH_HAS_NONE, one_minus_power
from .qhm import MA_YARATS


def paper(gradients, params, learning_rate, b1, b2, nu1, nu2, eps):
    buffer, squares, updates = 0.0, 0.0, []
    for t, g in enumerate(gradients, 1):
        buffer = b1 * buffer + (1 - b1) * g
        squares = b2 * squares + (1 - b2) * g**2
        first = (1 - nu1) * g + nu1 * buffer / one_minus_power(b1, t)
        second = (1 - nu2) * g**2 + nu2 * squares / one_minus_power(b2, t)
        updates.append(-learning_rate * first / (np.sqrt(second) + eps))
    return np.stack(updates)


RECORD = Record(
    name="qhadam",
    family="adaptive",
    papers=(MA_YARATS,),
    make=QHAdam,
    no_twin={"optax": "Optax has no QHAdam", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.1, "b1": 0.9, "b2": 0.95, "nu1": 0.9, "nu2": 0.8, "eps": 1e-3},
    ),
    transcription=paper,
)
