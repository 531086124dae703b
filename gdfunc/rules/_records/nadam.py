import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._nadam import NAdam
from ._common import double_debias, literal_debias, one_minus_power


def optax(learning_rate, b1, b2, eps, momentum_decay, momentum, average, b2_factor, debias):
    if momentum == "scheduled":
        return "optax.nadam keeps the momentum constant"
    if b2_factor:
        return "optax.nadam drops the paper's factor b2"
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps}


def torch(learning_rate, b1, b2, eps, momentum_decay, momentum, average, b2_factor, debias):
    if momentum == "constant":
        return "torch.optim.NAdam schedules the momentum; momentum_decay=1e5 there makes it constant to rounding"
    if b2_factor or average == "scheduled":
        return "torch.optim.NAdam drops the paper's factor b2 and averages with the constant b1"
    return {"lr": learning_rate, "betas": (b1, b2), "eps": eps, "momentum_decay": momentum_decay}


def paper(gradients, params, learning_rate, b1, b2, eps, momentum_decay):
    mu = lambda t: b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))  # noqa: E731
    m, n, product, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), 1.0, []
    for t, g in enumerate(gradients, 1):
        product *= mu(t)
        m = mu(t) * m + (1 - mu(t)) * g
        n = b2 * n + (1 - b2) * g**2
        m_hat = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        n_hat = b2 * n / one_minus_power(b2, t)
        updates.append(-learning_rate / (np.sqrt(n_hat) + eps) * m_hat)
    return np.stack(updates)


_DROPPED = {"average": "constant", "b2_factor": False}

RECORD = Record(
    name="nadam",
    family="adaptive",
    papers=(
        Paper(
            "Dozat",
            2016,
            "Incorporating Nesterov Momentum into Adam",
            "ICLR workshop",
            "https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ",
        ),
    ),
    make=NAdam,
    twins=(
        Twin("optax.nadam", optax, {"m": "mu", "v": "nu"}, note="momentum='constant', b2_factor=False."),
        Twin(
            "torch.optim.NAdam",
            torch,
            {"m": "exp_avg", "v": "exp_avg_sq", "product": "mu_product"},
            note="average='constant', b2_factor=False. Its mu_product is kept in the default dtype, float32, even for "
            "float64 parameters, unless torch.set_default_dtype says otherwise: 2.7e-8 off.",
        ),
    ),
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-2, "b1": 0.8, "b2": 0.99, "eps": 1e-4, "momentum_decay": 0.05},
        {"learning_rate": 1e-3, "momentum": "constant", "b2_factor": False, "debias": "power"},
        {"learning_rate": 1e-3, "momentum": "constant", "b2_factor": False},
        {
            "learning_rate": 1e-2,
            "b1": 0.8,
            "b2": 0.99,
            "eps": 1e-4,
            "momentum": "constant",
            "b2_factor": False,
            "debias": "power",
        },
        {"learning_rate": 1e-3, **_DROPPED},
        {"learning_rate": 1e-3, **_DROPPED, "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.8, "b2": 0.99, "eps": 1e-4, "momentum_decay": 0.05, **_DROPPED},
    ),
    transcription=paper,
    deviations=(
        literal_debias("optax.nadam", float32=74, float64=28, b2=0.999),
        *double_debias("torch.optim.NAdam", float32=80, float64=31, b2=0.999),
        Deviation(
            twin="torch.optim.NAdam",
            since="torch 2.13.0",
            what="mu_product is kept in the default dtype, float32, for float64 parameters too",
            settings={"learning_rate": 0.5, **_DROPPED},
            sizes={"float64": (1e7, 1e9)},
        ),
    ),
)
