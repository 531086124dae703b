import numpy as np

from ...core import Paper, Record
from .._scion import Scion
from ._common import TORCH_HAS_NONE


def paper(gradients, params, learning_rate, momentum, radius, norm, constrained, eps, ns_steps, layout):
    alpha, d, updates = 1 - momentum, np.zeros_like(gradients[0]), []
    for g, x in zip(gradients, params, strict=True):
        d = (1 - alpha) * d + alpha * g
        lmo = -radius * direction(d, norm, eps, ns_steps, layout)
        moved = (1 - learning_rate) * x + learning_rate * lmo if constrained else x + learning_rate * lmo
        updates.append(moved - x)
    return np.stack(updates)


def direction(d, norm, eps, ns_steps, layout):
    """The table of linear minimisation oracles, for A with d_out rows and d_in columns."""
    if d.ndim < 2:
        return np.sign(d) if norm == "sign" else d / (np.sqrt(np.mean(d**2)) + eps)
    A = d.T if layout == "in_out" else d
    d_out, d_in = A.shape
    if norm == "sign":
        B = np.sign(A) / d_in
    elif norm == "column":
        B = np.stack([column / (np.linalg.norm(column) / np.sqrt(d_out) + eps) for column in A.T], axis=1)
    else:
        U, s, Vt = np.linalg.svd(A / (np.linalg.norm(A) + eps), full_matrices=False)
        for _ in range(ns_steps):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        B = np.sqrt(d_out / d_in) * U @ np.diag(s) @ Vt
    return B.T if layout == "in_out" else B


RECORD = Record(
    name="scion",
    family="matrix",
    papers=(
        Paper(
            "Pethick et al.",
            2025,
            "Training Deep Learning Models with Norm-Constrained LMOs",
            "ICML",
            "https://arxiv.org/abs/2502.07529",
        ),
    ),
    make=Scion,
    no_twin={"optax": "Optax has no Scion", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.01, "norm": "sign", "constrained": False, "radius": 3.0},
        {"learning_rate": 0.01, "norm": "column", "layout": "out_in", "momentum": 0.5, "eps": 1e-3},
        {"learning_rate": 0.01, "ns_steps": 3, "layout": "out_in", "constrained": False},
        {"learning_rate": 0.01, "norm": "column", "constrained": False},
    ),
    transcription=paper,
    zero_gradient_moves=lambda constrained, **_: constrained,
    ill_conditioned="the Newton-Schulz steps multiply small singular values, and rounding in them, by up to 485",
)
