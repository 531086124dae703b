import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._fromage import Fromage
from ._common import TORCH_HAS_NONE


def paper(gradients, params, learning_rate):
    updates, logarithm = [], -0.5 * np.log1p(learning_rate**2)  # of 1 / sqrt(1 + eta^2)
    for g, w in zip(gradients, params, strict=True):
        g_norm, w_norm = np.sqrt(np.sum(g**2)), np.sqrt(np.sum(w**2))
        direction = w_norm / g_norm * g if g_norm > 0 else 0 * g
        updates.append(np.expm1(logarithm) * w - np.exp(logarithm) * learning_rate * direction)
    return np.stack(updates)


def cancelled(learning_rate, least, most):
    return Deviation(
        twin="optax.fromage",
        since="optax 0.2.8",
        what="1 / sqrt(1 + rate**2) - 1 is evaluated literally: for a small rate its digits cancel",
        settings={"learning_rate": learning_rate},
        sizes={"float64": (least, most)},
    )


RECORD = Record(
    name="fromage",
    family="layer-wise",
    papers=(
        Paper(
            "Bernstein et al.",
            2020,
            "On the Distance Between Two Neural Networks and the Stability of Learning",
            "NeurIPS",
            "https://arxiv.org/abs/2002.03432",
        ),
    ),
    make=Fromage,
    twins=(
        Twin(
            "optax.fromage",
            lambda learning_rate, min_norm: {"learning_rate": learning_rate, "min_norm": min_norm},
            note="Its default min_norm is 1e-6, ours 0.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.01},
        {"learning_rate": 0.5},
        {"learning_rate": 0.1, "min_norm": 1e-2},
    ),
    transcription=paper,
    deviations=(cancelled(0.01, 40, 170), cancelled(0.1, 9, 50)),
    zero_gradient_moves=True,  # the shrinkage
)
