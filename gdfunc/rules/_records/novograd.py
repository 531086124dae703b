import numpy as np

from ...core import Paper, Record, Twin
from .._novograd import NovoGrad
from ._common import TORCH_HAS_NONE, zero_gradient_in_float16


def optax(learning_rate, b1, b2, eps, weight_decay):
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "weight_decay": weight_decay or 0.0}


def paper(gradients, params, learning_rate, b1, b2, eps, weight_decay):
    d, updates = weight_decay or 0.0, []
    v = np.sum(gradients[0] ** 2)
    m = gradients[0] / (np.sqrt(v) + eps) + d * params[0]
    updates.append(-learning_rate * m)
    for g, w in zip(gradients[1:], params[1:], strict=True):
        v = b2 * v + (1 - b2) * np.sum(g**2)
        m = b1 * m + (g / (np.sqrt(v) + eps) + d * w)
        updates.append(-learning_rate * m)
    return np.stack(updates)


RECORD = Record(
    name="novograd",
    family="layer-wise",
    papers=(
        Paper(
            "Ginsburg et al.",
            2019,
            "Stochastic Gradient Methods with Layer-wise Adaptive Moments for Training of Deep Networks",
            "arXiv",
            "https://arxiv.org/abs/1905.11286",
        ),
    ),
    make=NovoGrad,
    twins=(
        Twin(
            "optax.novograd",
            optax,
            {"m": "mu", "v": "nu"},
            note="Its defaults are b1=0.9, b2=0.25 and eps=1e-6.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.01},
        {"learning_rate": 0.1, "b1": 0.9, "b2": 0.25, "eps": 1e-3, "weight_decay": 0.5},
        {"learning_rate": 0.1, "b1": 0.0, "b2": 0.5, "weight_decay": 1e-3},
    ),
    transcription=paper,
    deviations=(zero_gradient_in_float16("optax.novograd", "eps is rounded to 0", "issues/1789"),),
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
