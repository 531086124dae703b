import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._normalize import Normalize
from ._common import zero_gradient_in_float16


def optax(eps):
    if eps == 0:
        return "optax.normalize_by_update_norm gives NaN at a zero gradient where eps is 0"
    return {"scale_factor": 1.0, "eps": eps}


def paper(gradients, params, eps):
    norm = np.sqrt(sum(np.sum(g**2, axis=tuple(range(1, g.ndim))) for g in gradients.values())) + eps
    length = np.where(norm == 0, 1, norm)
    return {leaf: g / length.reshape(-1, *[1] * (g.ndim - 1)) for leaf, g in gradients.items()}


RECORD = Record(
    name="normalize",
    family="transformation",
    papers=(
        Paper(
            "Hazan, Levy & Shalev-Shwartz",
            2015,
            "Beyond Convexity: Stochastic Quasi-Convex Optimization",
            "NeurIPS",
            "https://arxiv.org/abs/1507.02030",
        ),
    ),
    make=Normalize,
    twins=(
        Twin(
            "optax.normalize_by_update_norm",
            optax,
            note="Its eps is 1e-6; optax.contrib.normalize has none, and gives NaN at a zero gradient.",
        ),
    ),
    no_twin={"torch": "torch.nn.utils.clip_grad_norm_ only shortens"},
    settings=({}, {"eps": 1e-6}, {"eps": 1.0}),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.normalize_by_update_norm",
            since="optax 0.2.8",
            what="at a zero gradient its derivative is NaN: the root has no slope at 0",
            settings={"eps": 1e-3},
        ),
        zero_gradient_in_float16(
            "optax.normalize_by_update_norm", "it multiplies by 1 / eps, which is infinite there", eps=1e-7
        ),
    ),
)
