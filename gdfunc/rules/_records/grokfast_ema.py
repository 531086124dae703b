import numpy as np

from ...core import Paper, Record
from .._grokfast_ema import GrokfastEMA


def paper(gradients, params, decay, strength, first_step):
    mu, filtered = gradients[0] if first_step == "copied" else np.zeros_like(gradients[0]), []
    for g in gradients:
        mu = decay * mu + (1 - decay) * g
        filtered.append(g + strength * mu)
    return np.stack(filtered)


RECORD = Record(
    name="grokfast_ema",
    family="transformation",
    papers=(
        Paper(
            "Lee, Kang, Kim & Lee",
            2024,
            "Grokfast: Accelerated Grokking by Amplifying Slow Gradients",
            "arXiv",
            "https://arxiv.org/abs/2405.20233",
        ),
    ),
    make=GrokfastEMA,
    no_twin={
        "optax": "Optax has no such transformation; its ema replaces the gradient and does not add to it",
        "torch": "PyTorch has no transformation of gradients by their history",
    },
    settings=({}, {"decay": 0.9, "strength": 5.0, "first_step": "copied"}),
    transcription=paper,
)
