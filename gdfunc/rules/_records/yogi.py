import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._yogi import Yogi
from ._common import TORCH_HAS_NONE, literal_debias


def optax(learning_rate, b1, b2, eps, initial, debias):
    if initial == "zero":
        return "optax.yogi starts both averages at 1e-6: initial='tiny'"
    if debias == "none":
        return "optax.yogi always corrects its averages"
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps}


def paper(gradients, params, learning_rate, b1, b2, eps):
    m, v, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for g in gradients:
        m = b1 * m + (1 - b1) * g
        v = v - (1 - b2) * np.sign(v - g**2) * g**2
        updates.append(-learning_rate * m / (np.sqrt(v) + eps))
    return np.stack(updates)


RECORD = Record(
    name="yogi",
    family="adaptive",
    papers=(
        Paper(
            "Zaheer et al.",
            2018,
            "Adaptive Methods for Nonconvex Optimization",
            "NeurIPS",
            "https://papers.nips.cc/paper/8186-adaptive-methods-for-nonconvex-optimization",
        ),
    ),
    make=Yogi,
    twins=(
        Twin(
            "optax.yogi",
            optax,
            {"m": "mu", "v": "nu"},
            note="initial='tiny', debias='power': it corrects averages that did not start at zero, and so moves parameters "
            "whose gradient has always been zero.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-2},
        {"learning_rate": 1e-2, "b1": 0.8, "b2": 0.9, "eps": 1e-4},
        {"learning_rate": 1e-2, "initial": "tiny", "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.8, "b2": 0.9, "eps": 1e-4, "initial": "tiny", "debias": "power"},
        {"learning_rate": 1e-2, "initial": "tiny", "debias": "exact"},
    ),
    transcription=paper,
    deviations=(
        literal_debias("optax.yogi", float32=84, float64=32, b2=0.999),
        Deviation(
            twin="optax.yogi",
            since="optax 0.2.8",
            what="it moves parameters whose gradient has always been zero: averages that start at 1e-6 are corrected as if at 0",
            settings={"learning_rate": 0.5, "initial": "tiny", "debias": "power"},
        ),
    ),
    zero_gradient_moves=lambda initial, **_: initial == "tiny",
)
