import numpy as np

from ...core import Paper, Record, Twin
from .._asgd import ASGD


def torch(learning_rate, decay, power, average_from):
    if callable(learning_rate):
        return "torch.optim takes schedules through lr_scheduler"
    return {"lr": learning_rate, "lambd": decay, "alpha": power, "t0": average_from}


def paper(gradients, params, learning_rate, decay, power, average_from):
    del average_from  # the average moves nothing
    updates = []
    for t, (g, w) in enumerate(zip(gradients, params, strict=True)):
        eta = learning_rate * (1 + decay * learning_rate * t) ** -power
        updates.append((1 - decay * eta) * w - eta * g - w)
    return np.stack(updates)


RECORD = Record(
    name="asgd",
    family="averaging",
    papers=(
        Paper(
            "Polyak & Juditsky",
            1992,
            "Acceleration of Stochastic Approximation by Averaging",
            "SIAM Journal on Control and Optimization 30(4)",
            "https://doi.org/10.1137/0330046",
        ),
        Paper(
            "Xu",
            2011,
            "Towards Optimal One Pass Large Scale Learning with Averaged Stochastic Gradient Descent",
            "arXiv",
            "https://arxiv.org/abs/1107.2490",
        ),
    ),
    make=ASGD,
    twins=(
        Twin(
            "torch.optim.ASGD",
            torch,
            {"average": "ax"},
            note="decay is its lambd, power its alpha, average_from its t0; its weight_decay is AddDecayedWeights before it.",
        ),
    ),
    no_twin={"optax": "Optax averages iterates outside the rule, with optax.ema on the parameters or by hand"},
    settings=(
        {"learning_rate": 1.0},
        {"learning_rate": 1.0, "decay": 0.1, "power": 0.5},
        {"learning_rate": 1.0, "decay": 0.5, "average_from": 10.0},
    ),
    transcription=paper,
    zero_gradient_moves=lambda decay, **_: bool(decay),
)
