import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._madgrad import MADGRAD
from ._common import TORCH_HAS_NONE


def optax(learning_rate, momentum, eps, eps_at):
    if eps_at == "denominator":
        return "optax.contrib.madgrad adds its eps to the rate too: eps_at='denominator_and_rate'"
    return {"learning_rate": learning_rate, "momentum": momentum, "eps": eps}


def paper(gradients, params, learning_rate, momentum, eps):
    c, x0, s, nu, updates = 1 - momentum, params[0], 0.0, 0.0, []
    for k, (g, x) in enumerate(zip(gradients, params, strict=True)):
        lamb = learning_rate * np.sqrt(k + 1)
        s = s + lamb * g
        nu = nu + lamb * g * g
        z = x0 - s / (np.cbrt(nu) + eps)
        updates.append((1 - c) * x + c * z - x)
    return np.stack(updates)


RECORD = Record(
    name="madgrad",
    family="adaptive",
    papers=(
        Paper(
            "Defazio & Jelassi",
            2021,
            "Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged Gradient Method for Stochastic "
            "Optimization",
            "JMLR 23 (2022)",
            "https://arxiv.org/abs/2101.11075",
        ),
    ),
    make=MADGRAD,
    twins=(
        Twin(
            "optax.contrib.madgrad",
            optax,
            {"p0": "x0", "s": "s", "nu": "grad_sum_sq"},
            note="eps_at='denominator_and_rate'; its weight_decay is AddDecayedWeights before the rule.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-2},
        {"learning_rate": 0.1, "momentum": 0.5, "eps": 1e-2},
        {"learning_rate": 1e-2, "eps_at": "denominator_and_rate"},
        {"learning_rate": 0.1, "momentum": 0.5, "eps": 1e-2, "eps_at": "denominator_and_rate"},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.contrib.madgrad",
            since="optax 0.2.8",
            what="the root of the step count is taken in float32, for float64 parameters too",
            settings={"eps_at": "denominator_and_rate"},
            sizes={"float64": (2.7e7, 3.5e8)},
        ),
    ),
)
