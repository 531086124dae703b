import numpy as np

from ...core import Paper, Record
from .._qhm import QHM

MA_YARATS = Paper(
    "Ma & Yarats",
    2019,
    "Quasi-hyperbolic momentum and Adam for deep learning",
    "ICLR",
    "https://arxiv.org/abs/1810.06801",
)


def paper(gradients, params, learning_rate, beta, nu):
    buffer, updates = 0.0, []
    for g in gradients:
        buffer = beta * buffer + (1 - beta) * g
        updates.append(-learning_rate * ((1 - nu) * g + nu * buffer))
    return np.stack(updates)


RECORD = Record(
    name="qhm",
    family="gradient descent",
    papers=(MA_YARATS,),
    make=QHM,
    no_twin={
        "optax": "optax.sgd has momentum and Nesterov's, nu = 1 and nu = beta, and nothing between",
        "torch": "torch.optim.SGD has momentum and Nesterov's, nu = 1 and nu = beta, and nothing between",
    },
    settings=({"learning_rate": 0.1}, {"learning_rate": 0.1, "beta": 0.9, "nu": 0.9}),
    transcription=paper,
)
