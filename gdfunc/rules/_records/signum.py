import numpy as np

from ...core import Record, Twin
from .._signum import Signum
from ._common import TORCH_HAS_NONE
from .sign_sgd import BERNSTEIN


def paper(gradients, params, learning_rate, beta):
    m, updates = np.zeros_like(gradients[0]), []
    for g in gradients:
        m = beta * m + (1 - beta) * g
        updates.append(-learning_rate * np.sign(m))
    return np.stack(updates)


RECORD = Record(
    name="signum",
    family="sign",
    papers=(BERNSTEIN,),
    make=Signum,
    twins=(
        Twin(
            "optax.signum",
            lambda learning_rate, beta: {"learning_rate": learning_rate, "beta": beta},
            {"m": "ema"},
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=({"learning_rate": 0.01}, {"learning_rate": 0.01, "beta": 0.5}),
    transcription=paper,
)
