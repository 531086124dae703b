import numpy as np

from ...core import Paper, Record, Twin
from .._reduce_on_plateau import ReduceOnPlateau


def optax(factor, patience, rtol, atol, cooldown, accumulation_size, min_scale):
    return {
        "factor": factor,
        "patience": patience,
        "rtol": rtol,
        "atol": atol,
        "cooldown": cooldown,
        "accumulation_size": accumulation_size,
        "min_scale": min_scale,
    }


def paper(gradients, params, factor, patience, rtol, atol, cooldown, accumulation_size, min_scale, data):
    scale, best, bad, ignored, scales = 1.0, np.inf, 0, 0, []
    for t in range(1, data.steps + 1):
        if t % accumulation_size == 0:
            mean = np.mean(data.values[t - accumulation_size : t])
            bad += 1
            if mean < best * (1 - rtol) - atol:
                best, bad = mean, 0
            if ignored:
                bad, ignored = 0, ignored - 1
            if bad == patience:
                scale, bad, ignored = max(scale * factor, min_scale), 0, cooldown
        scales.append(scale)
    return {leaf: g * np.reshape(scales, (-1, *[1] * (g.ndim - 1))) for leaf, g in gradients.items()}


RECORD = Record(
    name="reduce_on_plateau",
    family="transformation",
    papers=(
        Paper(
            "He, Zhang, Ren & Sun",
            2016,
            "Deep Residual Learning for Image Recognition",
            "CVPR",
            "https://arxiv.org/abs/1512.03385",
        ),
    ),
    make=ReduceOnPlateau,
    twins=(
        Twin(
            "optax.contrib.reduce_on_plateau",
            optax,
            {
                "scale": "scale",
                "best": "best_value",
                "bad": "plateau_count",
                "cooling": "cooldown_count",
                "count": "count",
                "mean": "avg_value",
            },
            note="The defaults agree.",
        ),
    ),
    no_twin={
        "torch": "torch.optim.lr_scheduler.ReduceLROnPlateau sets the rate of an optimizer, once an epoch; it reduces when "
        "patience + 1 values in a row were no better"
    },
    settings=(
        {"patience": 3},
        {},
        {"factor": 0.5, "patience": 2, "rtol": 0.1, "cooldown": 4, "min_scale": 0.01},
        {"factor": 0.5, "patience": 2, "atol": 0.2, "rtol": 0.0, "accumulation_size": 4},
    ),
    transcription=paper,
)
