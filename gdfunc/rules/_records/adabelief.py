import numpy as np

from ...core import Paper, Record, Twin
from .._adabelief import AdaBelief
from ._common import TORCH_HAS_NONE, literal_debias, one_minus_power


def optax(learning_rate, b1, b2, eps, eps_root, debias):
    if debias == "none":
        return "optax.adabelief always corrects its averages"
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "eps_root": eps_root}


def paper(gradients, params, learning_rate, b1, b2, eps, eps_root):
    m, s, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps_root
        m_hat = m / one_minus_power(b1, t)
        s_hat = s / one_minus_power(b2, t)
        updates.append(-learning_rate * m_hat / (np.sqrt(s_hat) + eps))
    return np.stack(updates)


RECORD = Record(
    name="adabelief",
    family="adaptive",
    papers=(
        Paper(
            "Zhuang et al.",
            2020,
            "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients",
            "NeurIPS",
            "https://arxiv.org/abs/2010.07468",
        ),
    ),
    make=AdaBelief,
    twins=(
        Twin(
            "optax.adabelief",
            optax,
            {"m": "mu", "s": "nu"},
            note="Its defaults are eps=1e-16 and eps_root=1e-16. nesterov=True has no equivalent.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-3, "debias": "power"},
        {"learning_rate": 1e-3, "eps": 1e-16, "eps_root": 1e-16, "debias": "power"},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "eps_root": 1e-6, "debias": "power"},
    ),
    transcription=paper,
    deviations=(literal_debias("optax.adabelief", float32=81, float64=29, b2=0.999),),
)
