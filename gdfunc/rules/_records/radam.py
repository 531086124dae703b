from fractions import Fraction

import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._radam import RAdam
from ._common import one_minus_power


def optax(learning_rate, b1, b2, eps, threshold, eps_at, debias):
    if eps_at == "before_debias":
        return "optax.radam adds its eps after the correction"
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "threshold": threshold}


def torch(learning_rate, b1, b2, eps, threshold, eps_at, debias):
    if threshold != 5.0:
        return "torch.optim.RAdam's threshold is 5"
    if eps_at != "before_debias":
        return "torch.optim.RAdam adds its eps before the correction"
    return {"lr": learning_rate, "betas": (b1, b2), "eps": eps}


def paper(gradients, params, learning_rate, b1, b2, eps, threshold):
    # rho_t is the difference of two numbers near 2000: rationals keep its digits.
    beta, m, v, updates = Fraction(b2), np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    rho_inf = 2 / (1 - beta) - 1
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat = m / one_minus_power(b1, t)
        rho = rho_inf - 2 * t * beta**t / (1 - beta**t)
        if rho > threshold:
            r = np.sqrt(float((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)))
            updates.append(-learning_rate * r * m_hat / (np.sqrt(v / one_minus_power(b2, t)) + eps))
        else:
            updates.append(-learning_rate * m_hat)
    return np.stack(updates)


RECORD = Record(
    name="radam",
    family="adaptive",
    papers=(
        Paper(
            "Liu, Jiang, He, Chen, Liu, Gao & Han",
            2020,
            "On the Variance of the Adaptive Learning Rate and Beyond",
            "ICLR",
            "https://arxiv.org/abs/1908.03265",
        ),
    ),
    make=RAdam,
    twins=(
        Twin(
            "optax.radam",
            optax,
            {"m": "mu", "v": "nu"},
            note="threshold=5. Its hyper-gradients are NaN through steps 3 and 4: the root of a negative number stands "
            "in the branch not taken.",
        ),
        Twin(
            "torch.optim.RAdam",
            torch,
            {"m": "exp_avg", "v": "exp_avg_sq"},
            note="threshold=5, eps_at='before_debias'.",
        ),
    ),
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-3, "debias": "power"},
        {"learning_rate": 1e-3, "threshold": 5.0, "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.5, "b2": 0.95, "eps": 1e-3, "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.5, "b2": 0.95, "eps": 1e-3},
        {"learning_rate": 1e-3, "threshold": 5.0, "eps_at": "before_debias"},
        {"learning_rate": 1e-3, "threshold": 5.0, "eps_at": "before_debias", "debias": "power"},
    ),
    transcription=paper,
    deviations=(
        # How the power rounds is the compiler's choice, and rho_t magnifies it 2000 times: hence the wide ranges.
        Deviation(
            twin="optax.radam",
            since="optax 0.2.8",
            what="rho_t is the difference of two numbers near 2000, evaluated literally: at steps 5 and 6 the float32 "
            "update is wrong by half a per cent",
            settings={"debias": "exact", "b2": 0.999},
            sizes={"float32": (5e3, 8e4), "float64": (1e3, 4e4)},
        ),
        Deviation(
            twin="optax.radam",
            since="optax 0.2.8",
            what="its hyper-gradients are NaN from the third step on: the root of a negative number stands in the branch not taken",
            settings={"learning_rate": 0.5, "threshold": 5.0},
        ),
        Deviation(
            twin="optax.radam",
            since="optax 0.2.8",
            what="rho_t is evaluated literally: near 40 a digit cancels",
            settings={"debias": "exact", "b2": 0.95},
            sizes={"float64": (0.5, 44)},
        ),
        Deviation(
            twin="torch.optim.RAdam",
            since="torch 2.13.0",
            what="rho_t is evaluated literally in float64",
            settings={"debias": "exact", "b2": 0.999},
            sizes={"float64": (1e3, 4e4)},
        ),
        Deviation(
            twin="torch.optim.RAdam",
            since="torch 2.13.0",
            what="rho_t is evaluated in float64 for float32 parameters too; debias='power' follows Optax's float32",
            settings={"debias": "power", "b2": 0.999},
            sizes={"float32": (5e3, 8e4)},
        ),
        Deviation(
            twin="torch.optim.RAdam",
            since="torch 2.13.0",
            what="rho_t is evaluated literally in float64 on both sides, and the two powers round differently",
            settings={"debias": "power", "b2": 0.999},
            sizes={"float64": (0, 4e4)},
        ),
    ),
)
