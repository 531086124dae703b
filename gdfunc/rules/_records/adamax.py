import numpy as np

from ...core import Record, Twin
from .._adamax import Adamax
from ._common import ADAM, double_debias, literal_debias, one_minus_power, zero_gradient_in_float16


def paper(gradients, params, learning_rate, b1, b2, eps):
    m, u, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        u = np.maximum(b2 * u, np.abs(g) + eps)
        updates.append(-learning_rate / one_minus_power(b1, t) * m / u)
    return np.stack(updates)


RECORD = Record(
    name="adamax",
    family="adaptive",
    papers=(ADAM,),
    make=Adamax,
    twins=(
        Twin(
            "optax.adamax",
            lambda learning_rate, b1, b2, eps, debias: {
                "learning_rate": learning_rate,
                "b1": b1,
                "b2": b2,
                "eps": eps,
            },
            {"m": "mu", "w": "nu"},
        ),
        Twin(
            "torch.optim.Adamax",
            lambda learning_rate, b1, b2, eps, debias: {"lr": learning_rate, "betas": (b1, b2), "eps": eps},
            {"m": "exp_avg", "w": "exp_inf"},
        ),
    ),
    settings=(
        {"learning_rate": 2e-3},
        {"learning_rate": 2e-3, "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.999, "eps": 1e-3},
    ),
    transcription=paper,
    deviations=(
        literal_debias("optax.adamax", float32=163, float64=65, b1=0.999),
        double_debias("torch.optim.Adamax", float32=163, float64=65, b1=0.999)[0],
        zero_gradient_in_float16("optax.adamax", "eps is rounded to 0, here and in adamaxw", "pull/1768"),
    ),
)
