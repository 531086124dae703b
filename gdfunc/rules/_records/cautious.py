import numpy as np

from ...core import Paper, Record
from .._adam import Adam
from .._cautious import Cautious
from .._lion import Lion
from .._sgd import SGD
from ._common import TORCH_HAS_NONE, inner_paper


def paper(gradients, params, inner, rescale):
    updates = inner_paper(inner, gradients, params)
    for leaf, g in gradients.items():
        w = updates[leaf]  # the paper's u is what is subtracted
        aligned = (-w * g > 0).astype(float)
        entries = tuple(range(1, g.ndim))
        d = np.prod(g.shape[1:])
        growth = d / (aligned.sum(axis=entries, keepdims=True) + 1) if rescale else 1.0
        updates[leaf] = growth * aligned * w
    return updates


RECORD = Record(
    name="cautious",
    family="around rules",
    papers=(
        Paper(
            "Liang, Chen, Liu & Liu",
            2024,
            "Cautious Optimizers: Improving Training with One Line of Code",
            "arXiv",
            "https://arxiv.org/abs/2411.16085",
        ),
    ),
    make=Cautious,
    no_twin={"optax": "optax has no such wrapper", "torch": TORCH_HAS_NONE},
    settings=(
        {"inner": Adam(0.01)},
        {"inner": SGD(0.1, momentum=0.9), "rescale": False},
        {"inner": Lion(0.01)},
    ),
    transcription=paper,
)
