import numpy as np

from ...core import Paper, Record
from .._psgd_kron import PSGDKron
from ._common import TORCH_HAS_NONE


def paper(gradients, params, learning_rate, momentum, preconditioner_rate, initial_scale, damping):
    """With the Kronecker product written out: vec(Q_L G Q_R^T) = (Q_L x Q_R) vec(G) for rows stored one after another."""
    shape = gradients[0].shape
    matrix = (-1, shape[-1]) if len(shape) > 1 else (-1, 1)
    rows, columns = gradients[0].reshape(matrix).shape
    QL, QR = initial_scale**0.25 * np.eye(rows), initial_scale**0.25 * np.eye(columns)
    m, updates = np.zeros(shape), []
    for g in gradients:
        m = momentum * m + (1 - momentum) * g
        Q = np.kron(QL, QR)
        # E[a a^T] for a = Q (g + noise), and E[b b^T] for b = Q^-T v: the gradient in the group is their difference.
        aa = Q @ (np.outer(g, g) + damping**2 * np.eye(g.size)) @ Q.T
        bb = np.linalg.inv(Q @ Q.T)
        new = []
        for factor, trace in ((QL, "ikjk->ij"), (QR, "kikj->ij")):
            S, T = (np.einsum(trace, x.reshape(rows, columns, rows, columns)) for x in (aa, bb))
            step = preconditioner_rate / np.linalg.norm(S + T, ord=np.inf)
            new.append(factor - step * np.triu(S - T) @ factor)
        QL, QR = new
        Q = np.kron(QL, QR)
        updates.append((-learning_rate * Q.T @ Q @ m.reshape(-1)).reshape(shape))
    return np.stack(updates)


RECORD = Record(
    name="psgd_kron",
    family="matrix",
    papers=(
        Paper("Li", 2022, "Black Box Lie Group Preconditioners for SGD", "arXiv", "https://arxiv.org/abs/2211.04422"),
        Paper("Li", 2019, "Preconditioner on Matrix Lie Group for SGD", "ICLR", "https://arxiv.org/abs/1809.10232"),
        Paper("Li", 2015, "Preconditioned Stochastic Gradient Descent", "arXiv", "https://arxiv.org/abs/1512.04202"),
    ),
    make=PSGDKron,
    no_twin={"optax": "Optax has no rule of the PSGD family", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {
            "learning_rate": 0.1,
            "momentum": 0.9,
            "preconditioner_rate": 0.3,
            "initial_scale": 10.0,
            "damping": 1e-2,
        },
    ),
    transcription=paper,
)
