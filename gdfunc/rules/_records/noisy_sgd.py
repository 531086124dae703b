import jax
import numpy as np

from ...core import Paper, Record
from .._noisy_sgd import NoisySGD
from ._common import TORCH_HAS_NONE


def paper(gradients, params, data, learning_rate, eta, gamma):
    updates = {leaf: np.empty_like(g) for leaf, g in gradients.items()}
    for t, key in enumerate(data.keys()):
        variance = eta / (1 + t) ** gamma
        for own, (leaf, g) in zip(jax.random.split(key, len(gradients)), sorted(gradients.items()), strict=True):
            z = np.asarray(jax.random.normal(own, g[t].shape, "float32"), np.float64)
            updates[leaf][t] = -learning_rate * (g[t] + np.sqrt(variance) * z)
    return updates


RECORD = Record(
    name="noisy_sgd",
    family="gradient descent",
    papers=(
        Paper(
            "Neelakantan, Vilnis, Le, Sutskever, Kaiser, Kurach & Martens",
            2015,
            "Adding Gradient Noise Improves Learning for Very Deep Networks",
            "arXiv",
            "https://arxiv.org/abs/1511.06807",
        ),
    ),
    make=NoisySGD,
    no_twin={
        "optax": "optax.noisy_sgd has these three arguments, and draws its noise from a key that it keeps to itself",
        "torch": TORCH_HAS_NONE,
    },
    settings=(
        {"learning_rate": 0.1},
        {"learning_rate": 0.03, "eta": 1.0, "gamma": 0.9},
    ),
    transcription=paper,
    zero_gradient_moves=True,  # the noise
)
