import numpy as np

from ...core import Paper, Record, Twin
from .._sophia import Sophia
from ._common import TORCH_HAS_NONE
from ._whole_tree import flat_rows, unflat_rows


def optax(learning_rate, b1, b2, gamma, eps, clip, weight_decay, update_interval, refresh, debias):
    if debias == "none":
        return "optax.contrib.sophia always corrects its momentum"
    if refresh == "before":
        return "optax.contrib.sophia divides by the curvature from before the refresh"
    return {
        "learning_rate": learning_rate,
        "b1": b1,
        "b2": b2,
        "eps": eps,
        "weight_decay": weight_decay,
        "gamma": gamma,
        "clip_threshold": clip,
        "update_interval": update_interval,
    }


def paper(gradients, params, data, learning_rate, b1, b2, gamma, eps, clip, weight_decay, update_interval):
    """The Hessian of the stream is diagonal: z * (H z) is its diagonal for any signs z."""
    gs, xs, hs, updates = flat_rows(gradients), flat_rows(params), flat_rows(data.curvatures), []
    m, h = np.zeros_like(xs[0]), np.zeros_like(xs[0])
    for t, (g, x, curvature) in enumerate(zip(gs, xs, hs, strict=True), 1):
        m = b1 * m + (1 - b1) * g
        if update_interval == 1 or t % update_interval == 1:
            h = b2 * h + (1 - b2) * curvature
        step = np.clip(m / np.maximum(gamma * h, eps), -clip, clip)
        updates.append(-learning_rate * weight_decay * x - learning_rate * step)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="sophia",
    family="second order",
    papers=(
        Paper(
            "Liu, Li, Hall, Liang & Ma",
            2024,
            "Sophia: A Scalable Stochastic Second-order Optimizer for Language Model Pre-training",
            "ICLR",
            "https://arxiv.org/abs/2305.14342",
        ),
    ),
    make=Sophia,
    twins=(
        Twin(
            "optax.contrib.sophia",
            optax,
            {"m": "mu", "h": "nu"},
            note="refresh='after', debias='power'; its weight_decay is 1e-4, its eps 1e-8 and its b1 0.965 by default, and "
            "it draws its signs from a key of its own.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.5, "gamma": 2.0, "eps": 1e-2, "clip": 0.5, "update_interval": 4},
        {"learning_rate": 1e-3, "gamma": 20.0, "b2": 0.9, "refresh": "after", "debias": "power"},
        {
            "learning_rate": 1e-2,
            "b1": 0.9,
            "b2": 0.5,
            "gamma": 2.0,
            "eps": 1e-2,
            "clip": 0.5,
            "weight_decay": 0.0,
            "update_interval": 1,
            "refresh": "after",
            "debias": "power",
        },
    ),
    transcription=paper,
    ill_conditioned="before it is clipped m is divided by a number far below its size: where it changes sign, its rounding is large",
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
