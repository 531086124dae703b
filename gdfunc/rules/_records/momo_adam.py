import numpy as np

from ...core import Record, Twin
from .._momo_adam import MoMoAdam
from ._common import TORCH_HAS_NONE, literal_debias, one_minus_power
from ._whole_tree import flat_rows, unflat_rows
from .momo import PAPER, weight_decay_of_optax


def optax(learning_rate, b1, b2, eps, lower_bound, weight_decay, adapt_lower_bound, debias):
    if debias == "none":
        return "optax.contrib.momo_adam always corrects its averages"
    return {
        "learning_rate": learning_rate,
        "b1": b1,
        "b2": b2,
        "eps": eps,
        "lower_bound": lower_bound,
        "weight_decay": weight_decay,
        "adapt_lower_bound": adapt_lower_bound,
    }


def paper(gradients, params, data, learning_rate, b1, b2, eps, lower_bound, weight_decay, adapt_lower_bound):
    gs, xs, updates = flat_rows(gradients), flat_rows(params), []
    d, v, f_bar, gamma, f_star = 0 * xs[0], 0 * xs[0], 0.0, 0.0, lower_bound
    shrink = 1 + learning_rate * weight_decay
    for t, (g, x) in enumerate(zip(gs, xs, strict=True), 1):
        d = b1 * d + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        f_bar = b1 * f_bar + (1 - b1) * data.values[t - 1]
        gamma = b1 * gamma + (1 - b1) * (g @ x)
        rho = one_minus_power(b1, t)
        D = eps + np.sqrt(v / one_minus_power(b2, t))
        model = shrink * (f_bar - gamma) + d @ x
        if adapt_lower_bound and model < shrink * rho * f_star:
            f_star = max(model / (2 * shrink * rho), lower_bound)
        tau = min(learning_rate / rho, max(model - shrink * rho * f_star, 0.0) / (d @ (d / D)))
        updates.append(-(tau * d / D + learning_rate * weight_decay * x) / shrink)  # (x - tau d / D) / shrink - x
        if adapt_lower_bound:
            f_star = max((f_bar - gamma + d @ x - tau * (d @ (d / D)) / 2) / rho, lower_bound)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="momo_adam",
    family="model-based",
    papers=(PAPER,),
    make=MoMoAdam,
    twins=(
        Twin(
            "optax.contrib.momo_adam",
            optax,
            {"d": "exp_avg", "v": "exp_avg_sq", "f_bar": "barf", "gamma": "gamma", "bound": "lb"},
            note="The same arguments, and debias='power'; with weight_decay its steps are longer.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {},
        {"b2": 0.9, "debias": "power"},
        {"learning_rate": 1.0, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "lower_bound": 0.5, "debias": "power"},
        {"learning_rate": 0.5, "b2": 0.9, "lower_bound": 0.5, "adapt_lower_bound": True, "debias": "power"},
        {"learning_rate": 0.5, "b2": 0.9, "weight_decay": 0.2},
    ),
    transcription=paper,
    deviations=(
        weight_decay_of_optax("optax.contrib.momo_adam", float32=7.6e5, float64=4.1e14),
        literal_debias("optax.contrib.momo_adam", float32=84, float64=31, b2=0.999),
    ),
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
