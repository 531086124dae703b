import numpy as np

from ...core import Paper, Record, Twin
from .._optimistic_gradient_descent import OptimisticGradientDescent
from ._common import TORCH_HAS_NONE


def paper(gradients, params, learning_rate, optimism):
    alpha, beta = learning_rate, learning_rate * optimism
    before = np.concatenate([gradients[:1], gradients[:-1]])
    return -(alpha + beta) * gradients + beta * before


RECORD = Record(
    name="optimistic_gradient_descent",
    family="games",
    papers=(
        Paper(
            "Mokhtari, Ozdaglar & Pattathil",
            2020,
            "A Unified Analysis of Extra-gradient and Optimistic Gradient Methods for Saddle Point Problems: "
            "Proximal Point Approach",
            "AISTATS",
            "https://arxiv.org/abs/1901.08511",
        ),
    ),
    make=OptimisticGradientDescent,
    twins=(
        Twin(
            "optax.optimistic_gradient_descent",
            lambda learning_rate, optimism: {"learning_rate": learning_rate, "alpha": 1.0, "beta": optimism},
            {"g": "previous_gradient"},
            note="Its alpha multiplies the rate and divides our optimism.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=({"learning_rate": 0.01}, {"learning_rate": 0.1, "optimism": 0.3}),
    transcription=paper,
)
