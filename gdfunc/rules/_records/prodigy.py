import jax
import numpy as np

from ...core import Paper, Record, Twin
from .._prodigy import Prodigy
from ._common import TORCH_HAS_NONE, one_minus_power
from ._whole_tree import flat_rows, unflat_rows


def optax(learning_rate, b1, b2, b3, eps, first_d, d_coefficient, weight_decay, safeguard_warmup, eps_scale, debias):
    if debias == "none":
        return "optax.contrib.prodigy always corrects its averages"
    if eps_scale == "d":
        return "optax.contrib.prodigy multiplies eps by the d of the next step"
    return {
        "learning_rate": learning_rate,
        "betas": (b1, b2),
        "beta3": b3,
        "eps": eps,
        "estim_lr0": first_d,
        "estim_lr_coef": d_coefficient,
        "weight_decay": weight_decay,
        "safeguard_warmup": safeguard_warmup,
    }


def in_our_units(field):
    """Theirs leaves out (1 - beta_3) and multiplies by 1 / d_1."""

    def read(get, fields):
        b3 = fields["b2"] ** 0.5 if fields["b3"] is None else fields["b3"]
        return jax.tree.map(lambda x: (1 - b3) * fields["first_d"] * x, get(field))

    return read


def paper(
    gradients,
    params,
    learning_rate,
    b1,
    b2,
    b3,
    eps,
    first_d,
    d_coefficient,
    weight_decay,
    safeguard_warmup,
    eps_scale,
    debias,
):
    gs, xs, updates = flat_rows(gradients), flat_rows(params), []
    b3 = np.sqrt(b2) if b3 is None else b3
    d, r, m, v, s = first_d, 0.0, 0 * xs[0], 0 * xs[0], 0 * xs[0]
    for t, (g, x) in enumerate(zip(gs, xs, strict=True), 1):
        gamma = learning_rate
        if debias != "none":
            gamma *= np.sqrt(one_minus_power(b2, t)) / one_minus_power(b1, t)
        m = b1 * m + (1 - b1) * d * g
        v = b2 * v + (1 - b2) * d**2 * g**2
        r = b3 * r + (1 - b3) * gamma * d**2 * (g @ (xs[0] - x))
        s = b3 * s + (1 - b3) * d**2 * g * (1.0 if safeguard_warmup else gamma)
        after = max(d, d_coefficient * r / np.sum(np.abs(s)))
        root = np.sqrt(v) + eps * (after if eps_scale == "next_d" else d)
        updates.append(-gamma * d * m / root - gamma * d * weight_decay * x)
        d = after
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="prodigy",
    family="parameter-free",
    papers=(
        Paper(
            "Mishchenko & Defazio",
            2024,
            "Prodigy: An Expeditiously Adaptive Parameter-Free Learner",
            "ICML",
            "https://arxiv.org/abs/2306.06101",
        ),
    ),
    make=Prodigy,
    twins=(
        Twin(
            "optax.contrib.prodigy",
            optax,
            {
                "m": "exp_avg",
                "v": "exp_avg_sq",
                "s": in_our_units("grad_sum"),
                "x0": "params0",
                "r": in_our_units("numerator_weighted"),
                "d": "estim_lr",
            },
            note="It always corrects the averages, which the authors' code does only when asked: debias='power', eps_scale='next_d'.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {},
        {"b2": 0.9, "debias": "power", "eps_scale": "next_d"},
        {
            "learning_rate": 0.5,
            "b1": 0.8,
            "b2": 0.9,
            "b3": 0.7,
            "eps": 1e-2,
            "first_d": 1e-4,
            "d_coefficient": 2.0,
            "weight_decay": 0.1,
            "debias": "power",
            "eps_scale": "next_d",
        },
        {"learning_rate": 0.5, "b2": 0.9, "eps": 1e-3, "safeguard_warmup": True, "debias": "exact"},
        {"learning_rate": 0.5, "b2": 0.9, "safeguard_warmup": True, "debias": "power", "eps_scale": "next_d"},
    ),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
