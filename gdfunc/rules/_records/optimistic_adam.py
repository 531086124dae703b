import numpy as np

from ...core import Paper, Record, Twin
from .._optimistic_adam import OptimisticAdam
from ._common import TORCH_HAS_NONE, literal_debias, one_minus_power


def optax(learning_rate, b1, b2, eps, optimism, first, nesterov, debias):
    if first == "double":
        return "optax.optimistic_adam_v2 has a single first step: first='single'"
    if debias == "none":
        return "optax.optimistic_adam_v2 always corrects its averages"
    return {
        "learning_rate": learning_rate,
        "alpha": 1.0,
        "beta": optimism,
        "b1": b1,
        "b2": b2,
        "eps": eps,
        "nesterov": nesterov,
    }


def paper(gradients, params, learning_rate, b1, b2, eps, optimism):
    m, v, before, updates = (*(np.zeros_like(gradients[0]) for _ in range(3)), [])
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        now = m / one_minus_power(b1, t) / (np.sqrt(v / one_minus_power(b2, t)) + eps)
        updates.append(-(1 + optimism) * learning_rate * now + optimism * learning_rate * before)
        before = now
    return np.stack(updates)


RECORD = Record(
    name="optimistic_adam",
    family="games",
    papers=(
        Paper(
            "Daskalakis et al.",
            2018,
            "Training GANs with Optimism",
            "ICLR",
            "https://arxiv.org/abs/1711.00141",
        ),
    ),
    make=OptimisticAdam,
    twins=(
        Twin(
            "optax.optimistic_adam_v2",
            optax,
            {"m": "mu", "v": "nu", "d": "previous_gradient"},
            note="first='single'; it is nesterov=True unless told otherwise. The older optax.optimistic_adam has the rate "
            "in alpha and rate times optimism in beta.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "optimism": 0.3},
        {"learning_rate": 1e-3, "first": "single", "debias": "power"},
        {"learning_rate": 1e-3, "first": "single"},
        {
            "learning_rate": 0.1,
            "b1": 0.5,
            "b2": 0.9,
            "eps": 1e-3,
            "optimism": 0.3,
            "first": "single",
            "nesterov": True,
            "debias": "power",
        },
    ),
    transcription=paper,
    deviations=(literal_debias("optax.optimistic_adam_v2", float32=130, float64=54, b2=0.999),),
)
