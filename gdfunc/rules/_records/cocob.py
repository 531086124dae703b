import numpy as np

from ...core import Paper, Record, Twin
from .._cocob import COCOB
from ._common import TORCH_HAS_NONE, zero_gradient_in_float16


def optax(alpha, eps):
    return {"learning_rate": 1.0, "alpha": alpha, "eps": eps}


def paper(gradients, params, alpha, eps):
    w1, updates = params[0], []
    L, G = np.full_like(w1, eps), np.zeros_like(w1)
    reward, theta = np.zeros_like(w1), np.zeros_like(w1)
    for g, w in zip(-gradients, params, strict=True):  # the paper's g is a negative subgradient
        L = np.maximum(L, np.abs(g))
        G = G + np.abs(g)
        reward = np.maximum(reward + (w - w1) * g, 0)
        theta = theta + g
        beta = theta / (L * np.maximum(G + L, alpha * L))
        updates.append(w1 + beta * (L + reward) - w)
    return np.stack(updates)


RECORD = Record(
    name="cocob",
    family="parameter-free",
    papers=(
        Paper(
            "Orabona & Tommasi",
            2017,
            "Training Deep Networks without Learning Rates Through Coin Betting",
            "NeurIPS",
            "https://arxiv.org/abs/1705.07795",
        ),
    ),
    make=COCOB,
    twins=(
        Twin(
            "optax.contrib.cocob",
            optax,
            {"p0": "init_particles", "L": "scale", "G": "subgradients", "R": "reward", "theta": "cumulative_gradients"},
            note="Its learning_rate multiplies the gradient, which changes nothing unless it is a schedule.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=({}, {"alpha": 2.0}, {"alpha": 10.0, "eps": 0.1}),
    transcription=paper,
    deviations=(zero_gradient_in_float16("optax.contrib.cocob", "eps is rounded to 0", alpha=50.0),),
)
