import numpy as np

from ...core import Paper, Record
from .._newton import Newton
from ._common import TORCH_HAS_NONE
from ._whole_tree import flat_rows, unflat_rows


def paper(gradients, params, data, learning_rate, damping, tolerance, power, cg_steps):
    """In a Krylov basis made orthonormal: the iterate is the model's minimum in it, until it holds a curvature below 0."""
    updates = []
    for g, h in zip(flat_rows(gradients), flat_rows(data.curvatures), strict=True):
        B, norm, z = h + damping, np.linalg.norm(g), np.zeros_like(g)
        basis = np.zeros((len(g), 0))
        for k in range(cg_steps):
            r = g + B * z
            if np.linalg.norm(r) <= min(tolerance, norm**power) * norm:
                break
            for _ in range(2):  # once more for what rounding leaves
                r = r - basis @ (basis.T @ r)
            basis = np.column_stack([basis, r / np.linalg.norm(r)])
            small = basis.T @ (B[:, None] * basis)
            if np.linalg.eigvalsh(small)[0] <= 0:
                z = z if k else -g
                break
            z = -basis @ np.linalg.solve(small, basis.T @ g)
        updates.append(learning_rate * z)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="newton",
    family="second order",
    papers=(
        Paper(
            "Dembo, Eisenstat & Steihaug",
            1982,
            "Inexact Newton Methods",
            "SIAM Journal on Numerical Analysis 19(2)",
            "https://doi.org/10.1137/0719025",
        ),
        Paper(
            "Steihaug",
            1983,
            "The Conjugate Gradient Method and Trust Regions in Large Scale Optimization",
            "SIAM Journal on Numerical Analysis 20(3)",
            "https://doi.org/10.1137/0720042",
        ),
    ),
    make=Newton,
    no_twin={"optax": "optax 0.2.8 has no such rule", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.5, "damping": 30.0, "tolerance": 0.01, "power": 0.5, "cg_steps": 6},
        {"damping": 25.0, "tolerance": 0.3, "power": 0.0, "cg_steps": 4},
        {"tolerance": 0.1, "cg_steps": 4},
    ),
    transcription=paper,
    ill_conditioned="conjugate gradients lose their conjugacy to rounding, and the system may be near singular",
)
