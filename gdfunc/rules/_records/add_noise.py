import jax
import numpy as np

from ...core import Paper, Record
from .._add_noise import AddNoise


def paper(gradients, params, eta, gamma, data):
    updates = {leaf: [] for leaf in gradients}
    for t, step_key in enumerate(data.keys()):
        keys = jax.random.split(step_key, len(gradients))
        for key, leaf in zip(keys, sorted(gradients), strict=True):
            g = gradients[leaf][t]
            noise = np.asarray(jax.random.normal(key, g.shape, np.float32), np.float64)
            updates[leaf].append(g + np.sqrt(eta / (1 + t) ** gamma) * noise)
    return {leaf: np.stack(rows) for leaf, rows in updates.items()}


RECORD = Record(
    name="add_noise",
    family="transformation",
    papers=(
        Paper(
            "Neelakantan et al.",
            2015,
            "Adding Gradient Noise Improves Learning for Very Deep Networks",
            "arXiv",
            "https://arxiv.org/abs/1511.06807",
        ),
    ),
    make=AddNoise,
    no_twin={
        "optax": "optax.add_noise has these two arguments, and draws its noise from a key that it keeps to itself",
        "torch": "torch.optim has no noise",
    },
    settings=({"eta": 0.3}, {"eta": 1.0, "gamma": 0.0}),
    transcription=paper,
    zero_gradient_moves=True,  # the noise
)
