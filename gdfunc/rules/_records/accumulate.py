import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._accumulate import Accumulate
from .._rmsprop import RMSprop
from .._sgd import SGD
from ._common import inner_paper, not_in_optax


def optax(inner, every, reduce):
    return not_in_optax(inner) or {"opt": inner, "every_k_schedule": every, "use_grad_mean": reduce == "mean"}


def paper(gradients, params, inner, every, reduce):
    steps = len(next(iter(gradients.values())))
    ends = range(every - 1, steps, every)
    combine = np.mean if reduce == "mean" else np.sum
    large = {leaf: np.stack([combine(g[t + 1 - every : t + 1], axis=0) for t in ends]) for leaf, g in gradients.items()}
    made = inner_paper(inner, large, {leaf: p[list(ends)] for leaf, p in params.items()})
    updates = {leaf: np.zeros_like(g) for leaf, g in gradients.items()}
    for leaf, u in made.items():
        updates[leaf][list(ends)] = u
    return updates


RECORD = Record(
    name="accumulate",
    family="around rules",
    papers=(
        Paper(
            "Goyal et al.",
            2017,
            "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
            "arXiv",
            "https://arxiv.org/abs/1706.02677",
        ),
    ),
    make=Accumulate,
    twins=(
        Twin(
            "optax.MultiSteps",
            optax,
            note="It computes the inner update at every step and throws it away between; k may be a schedule there.",
        ),
    ),
    no_twin={"torch": "in PyTorch one calls step() every k-th time only: gradients add up until zero_grad()"},
    settings=(
        {"inner": RMSprop(0.01), "every": 4},
        {"inner": SGD(0.1, momentum=0.9), "every": 3, "reduce": "sum"},
        {"inner": SGD(0.1), "every": 5},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.MultiSteps",
            since="optax 0.2.8",
            what="gradients are summed in float32 whatever their dtype, unless accumulator_dtype says otherwise",
            sizes={"float64": (7e7, 7e8)},
        ),
    ),
)
