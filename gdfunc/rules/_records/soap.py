import numpy as np

from ...core import Paper, Record
from .._soap import SOAP
from ._common import TORCH_HAS_NONE, one_minus_power


def paper(gradients, params, learning_rate, b1, b2, eps, frequency):
    shape, updates = gradients[0].shape, []
    M, V, count = np.zeros(shape), np.zeros(shape), 0
    if len(shape) < 2:
        for g in gradients:
            M, V, count = b1 * M + (1 - b1) * g, b2 * V + (1 - b2) * g**2, count + 1
            M_hat, V_hat = M / one_minus_power(b1, count), V / one_minus_power(b2, count)
            updates.append(-learning_rate * M_hat / (np.sqrt(V_hat) + eps))
        return np.stack(updates)
    G = gradients[0].reshape(-1, shape[-1])
    M, V = np.zeros(G.shape), np.zeros(G.shape)
    L, R = (1 - b2) * G @ G.T, (1 - b2) * G.T @ G
    QL, QR = np.linalg.eigh(L)[1][:, ::-1], np.linalg.eigh(R)[1][:, ::-1]
    updates.append(np.zeros(shape))
    for count, g in enumerate(gradients[1:], 1):
        G = g.reshape(-1, shape[-1])
        M = b1 * M + (1 - b1) * G
        V = b2 * V + (1 - b2) * (QL.T @ G @ QR) ** 2
        N = (QL.T @ M @ QR / one_minus_power(b1, count)) / (np.sqrt(V / one_minus_power(b2, count)) + eps)
        updates.append(-learning_rate * (QL @ N @ QR.T).reshape(shape))
        L, R = b2 * L + (1 - b2) * G @ G.T, b2 * R + (1 - b2) * G.T @ G
        if count % frequency == 0:
            QL, QR = np.linalg.qr(L @ QL)[0], np.linalg.qr(R @ QR)[0]
    return np.stack(updates)


RECORD = Record(
    name="soap",
    family="matrix",
    papers=(
        Paper(
            "Vyas et al.",
            2024,
            "SOAP: Improving and Stabilizing Shampoo using Adam",
            "arXiv",
            "https://arxiv.org/abs/2409.11321",
        ),
    ),
    make=SOAP,
    no_twin={
        "optax": "Optax has no SOAP: its issue 1580 and pull requests 1617 and 1692 are open",
        "torch": TORCH_HAS_NONE,
    },
    settings=(
        {"learning_rate": 3e-3},
        {"learning_rate": 0.1, "b1": 0.8, "b2": 0.9, "eps": 1e-3, "frequency": 1},
        {"learning_rate": 3e-3, "eps": 1e-2, "frequency": 2},
    ),
    transcription=paper,
    ill_conditioned="eigenvectors of near eigenvalues turn with rounding, and where a direction had no gradient Adam divides "
    "what rounding left of one by what it left of the other",
)
