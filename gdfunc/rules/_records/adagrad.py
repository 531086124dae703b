import numpy as np

from ...core import Paper, Record, Twin
from .._adagrad import Adagrad


def optax(learning_rate, eps, initial_accumulator, eps_at):
    if eps_at == "outside" and eps != 0:
        return "optax.adagrad has its eps inside the root"
    return {"learning_rate": learning_rate, "initial_accumulator_value": initial_accumulator, "eps": eps}


def torch(learning_rate, eps, initial_accumulator, eps_at):
    if eps_at == "inside" and eps != 0:
        return "torch.optim.Adagrad has its eps outside the root"
    return {"lr": learning_rate, "initial_accumulator_value": initial_accumulator, "eps": eps}


def paper(gradients, params, learning_rate, eps, initial_accumulator):
    s = initial_accumulator + np.cumsum(gradients**2, axis=0)
    return -learning_rate * gradients / (eps + np.sqrt(s))


RECORD = Record(
    name="adagrad",
    family="adaptive",
    papers=(
        Paper(
            "Duchi, Hazan & Singer",
            2011,
            "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
            "JMLR 12",
            "https://jmlr.org/papers/v12/duchi11a.html",
        ),
    ),
    make=Adagrad,
    twins=(
        Twin(
            "optax.adagrad",
            optax,
            {"s": "sum_of_squares"},
            note="Its defaults are initial_accumulator=0.1, eps=1e-7, eps_at='inside'.",
        ),
        Twin(
            "torch.optim.Adagrad",
            torch,
            {"s": "sum"},
            note="lr_decay is a schedule: eta / (1 + lr_decay * step).",
        ),
    ),
    settings=(
        {"learning_rate": 0.1},
        {"learning_rate": 0.1, "eps": 1e-3},
        {"learning_rate": 0.1, "initial_accumulator": 0.1},
        {"learning_rate": 0.1, "eps": 1e-7, "initial_accumulator": 0.1, "eps_at": "inside"},
        {"learning_rate": 0.1, "eps": 1e-2, "initial_accumulator": 0.5, "eps_at": "inside"},
    ),
    transcription=paper,
)
