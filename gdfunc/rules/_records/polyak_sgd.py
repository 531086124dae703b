import numpy as np

from ...core import Paper, Record, Twin
from .._polyak_sgd import PolyakSGD
from ._common import TORCH_HAS_NONE
from ._whole_tree import flat_rows, unflat_rows


def optax(max_learning_rate, f_min, c, eps, variant):
    if c != 1.0:
        return "optax.polyak_sgd has no c: its scaling=c with max_learning_rate divided by c is the same where eps is 0"
    return {"max_learning_rate": max_learning_rate, "f_min": f_min, "eps": eps, "variant": variant}


def paper(gradients, params, data, max_learning_rate, f_min, c, eps, variant):
    updates = []
    for g, value in zip(flat_rows(gradients), data.values, strict=True):
        gap = value - f_min if variant == "sps" else max(value - f_min, 0.0)
        squared = c * (g @ g) + eps
        updates.append(-min(gap / squared, max_learning_rate) * g if np.any(g) else 0 * g)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="polyak_sgd",
    family="model-based",
    papers=(
        Paper(
            "Loizou, Vaswani, Laradji & Lacoste-Julien",
            2021,
            "Stochastic Polyak Step-size for SGD: An Adaptive Learning Rate for Fast Convergence",
            "AISTATS",
            "https://arxiv.org/abs/2002.10542",
        ),
    ),
    make=PolyakSGD,
    twins=(
        Twin(
            "optax.polyak_sgd", optax, note="c=1 is its default; it stands still where the squared norm is below 2e-16."
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"max_learning_rate": 0.01},
        {},
        {"c": 1.0, "max_learning_rate": 0.004, "f_min": 0.5, "eps": 10.0},
        {"c": 1.0, "f_min": 2.5, "variant": "sps"},
        {"c": 1.0, "f_min": 2.5, "variant": "sps+"},
    ),
    transcription=paper,
)
