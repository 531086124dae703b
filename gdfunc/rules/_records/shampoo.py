import numpy as np

from ...core import Paper, Record
from .._shampoo import Shampoo
from ._common import TORCH_HAS_NONE


def paper(gradients, params, learning_rate, eps, decay):
    shape = gradients[0].shape
    matrix = (-1, shape[-1]) if len(shape) > 1 else (-1, 1)
    rows, columns = gradients[0].reshape(matrix).shape
    k, updates = (2 if len(shape) > 1 else 1), []
    L, R = eps * np.eye(rows), eps * np.eye(columns)
    for g in gradients:
        G = g.reshape(matrix)
        if decay is None:
            L, R = L + G @ G.T, R + G.T @ G
        else:
            # eps I is kept out of the average.
            L = eps * np.eye(rows) + decay * (L - eps * np.eye(rows)) + (1 - decay) * G @ G.T
            R = eps * np.eye(columns) + decay * (R - eps * np.eye(columns)) + (1 - decay) * G.T @ G
        W = power(L, -1 / (2 * k)) @ G
        if k == 2:
            W = W @ power(R, -1 / (2 * k))
        updates.append(-learning_rate * W.reshape(shape))
    return np.stack(updates)


def power(A, exponent):
    eigenvalues, Q = np.linalg.eigh(A)
    return Q @ np.diag(eigenvalues**exponent) @ Q.T


RECORD = Record(
    name="shampoo",
    family="matrix",
    papers=(
        Paper(
            "Gupta, Koren & Singer",
            2018,
            "Shampoo: Preconditioned Stochastic Tensor Optimization",
            "ICML",
            "https://arxiv.org/abs/1802.09568",
        ),
    ),
    make=Shampoo,
    no_twin={
        "optax": "Optax has no Shampoo: its issue 1119 was closed with a link to another library",
        "torch": TORCH_HAS_NONE,
    },
    settings=(
        {"learning_rate": 0.1},
        {"learning_rate": 0.1, "eps": 1e-2, "decay": 0.9},
        {"learning_rate": 1.0, "eps": 1e-6},
    ),
    transcription=paper,
    ill_conditioned="inverse roots magnify what rounding leaves in directions that had little gradient",
)
