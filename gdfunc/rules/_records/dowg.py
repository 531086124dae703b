import numpy as np

from ...core import Paper, Record, Twin
from .._dowg import DoWG
from ._common import TORCH_HAS_NONE
from ._whole_tree import flat_rows, unflat_rows


def optax(learning_rate, first_squared_distance, eps):
    return {"learning_rate": learning_rate, "init_estim_sq_dist": first_squared_distance, "eps": eps}


def paper(gradients, params, learning_rate, first_squared_distance, eps):
    gs, xs, updates = flat_rows(gradients), flat_rows(params), []
    r2, v = first_squared_distance, 0.0
    for g, x in zip(gs, xs, strict=True):
        r2 = max(r2, np.sum((x - xs[0]) ** 2))
        v += r2 * np.sum(g**2)
        updates.append(-learning_rate * r2 * g / (np.sqrt(v) + eps))
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="dowg",
    family="parameter-free",
    papers=(
        Paper(
            "Khaled, Mishchenko & Jin",
            2023,
            "DoWG Unleashed: An Efficient Universal Parameter-Free Gradient Descent Method",
            "NeurIPS",
            "https://arxiv.org/abs/2305.16284",
        ),
    ),
    make=DoWG,
    twins=(
        Twin(
            "optax.contrib.dowg",
            optax,
            {"x0": "init_params", "r2": "estim_sq_dist", "v": "weighted_sq_norm_grads"},
            note="Its eps is 1e-4 by default; its weight_decay is AddDecayedWeights before DoWG.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {},
        {"learning_rate": 0.5, "first_squared_distance": 1e-6, "eps": 1e-2},
    ),
    transcription=paper,
)
