import numpy as np

from ...core import Paper, Record
from .._asam import ASAM
from .._rmsprop import RMSprop
from .._sgd import SGD
from ._common import TORCH_HAS_NONE, inner_paper


def paper(gradients, params, inner, rho, eta, data):
    T = {leaf: np.abs(p) + eta for leaf, p in params.items()}
    squares = [np.sum((T[leaf] * g) ** 2, axis=tuple(range(1, g.ndim))) for leaf, g in gradients.items()]
    norm = np.sqrt(sum(squares))
    uphill = {}
    for leaf, g in gradients.items():
        length = np.where(norm == 0, 1, norm).reshape(-1, *[1] * (g.ndim - 1))
        uphill[leaf] = g + data.curvatures[leaf] * rho * T[leaf] ** 2 * g / length
    return inner_paper(inner, uphill, params)


RECORD = Record(
    name="asam",
    family="around rules",
    papers=(
        Paper(
            "Kwon, Kim, Park & Choi",
            2021,
            "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep Neural Networks",
            "ICML",
            "https://arxiv.org/abs/2102.11600",
        ),
    ),
    make=ASAM,
    no_twin={
        "optax": "optax.contrib.sam would need an adversarial optimizer that knows the parameters' sizes",
        "torch": TORCH_HAS_NONE,
    },
    settings=(
        {"inner": SGD(0.1, momentum=0.9)},
        {"inner": RMSprop(0.01), "rho": 2.0, "eta": 0.1},
    ),
    transcription=paper,
)
