import jax
import numpy as np

from ...core import Paper, Record
from .._apollo import APOLLO
from ._common import TORCH_HAS_NONE, one_minus_power


def paper(gradients, params, learning_rate, rank, gap, scale, scaling, growth, b1, b2, eps, seed):
    shape, updates = gradients[0].shape, []
    matrix = len(shape) == 2
    turned = matrix and shape[0] > shape[1]
    M = V = previous = 0.0
    for t, g in enumerate(gradients):
        G = g.T if turned else g
        P = projection(seed, t // gap, min(rank, len(G)), len(G)) if matrix else None
        R = P @ G if matrix else G
        M = b1 * M + (1 - b1) * R
        V = b2 * V + (1 - b2) * R**2
        R_tilde = (M / one_minus_power(b1, t + 1)) / (np.sqrt(V / one_minus_power(b2, t + 1)) + eps)
        if not matrix:
            updates.append(-learning_rate * R_tilde)
            continue
        if scaling == "channel":
            norms = np.sqrt((R**2).sum(axis=0))
            s = np.where(norms > 0, np.sqrt((R_tilde**2).sum(axis=0)) / norms, 0)
        else:
            s = np.linalg.norm(R_tilde) / np.linalg.norm(R) if R.any() else 0.0
        G_tilde = scale * G * s
        norm = np.linalg.norm(G_tilde)
        if growth is not None and previous > 0 and norm / previous > growth:
            G_tilde = G_tilde / norm * growth * previous
            norm = growth * previous
        previous = norm
        updates.append(-learning_rate * (G_tilde.T if turned else G_tilde))
    return np.stack(updates)


def projection(seed, number, r, n):
    """Not a formula but a given: the numbers that JAX draws for this seed."""
    key = jax.random.fold_in(jax.random.key(seed), number)
    return np.asarray(jax.random.normal(key, (r, n), "float32"), np.float64) / np.sqrt(r)


RECORD = Record(
    name="apollo",
    family="matrix",
    papers=(
        Paper(
            "Zhu et al.",
            2024,
            "APOLLO: SGD-like Memory, AdamW-level Performance",
            "arXiv",
            "https://arxiv.org/abs/2412.05270",
        ),
    ),
    make=APOLLO,
    no_twin={"optax": "Optax has no APOLLO", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.01, "rank": 2},
        {"learning_rate": 0.01, "rank": 1, "scaling": "tensor", "scale": 128**0.5},
        {"learning_rate": 0.1, "rank": 2, "gap": 5, "growth": None, "b1": 0.8, "b2": 0.9, "eps": 1e-3, "seed": 1},
        {"learning_rate": 0.01, "growth": 1.5},
    ),
    transcription=paper,
    ill_conditioned="a gradient is divided by the norm of its projection, in which its entries cancel",
)
