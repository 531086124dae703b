from ...core import Deviation, Paper, Record, Twin
from .._momo import MoMo
from ._common import TORCH_HAS_NONE
from ._whole_tree import flat_rows, unflat_rows

PAPER = Paper(
    "Schaipp, Ohana, Eickenberg, Defazio & Gower",
    2024,
    "MoMo: Momentum Models for Adaptive Learning Rates",
    "ICML",
    "https://arxiv.org/abs/2305.07583",
)


def optax(learning_rate, beta, lower_bound, weight_decay, adapt_lower_bound):
    return {
        "learning_rate": learning_rate,
        "beta": beta,
        "lower_bound": lower_bound,
        "weight_decay": weight_decay,
        "adapt_lower_bound": adapt_lower_bound,
    }


def paper(gradients, params, data, learning_rate, beta, lower_bound, weight_decay, adapt_lower_bound):
    gs, xs, updates = flat_rows(gradients), flat_rows(params), []
    d, f_bar, gamma, f_star = gs[0], data.values[0], gs[0] @ xs[0], lower_bound
    shrink = 1 + learning_rate * weight_decay
    for t, (g, x) in enumerate(zip(gs, xs, strict=True)):
        if t > 0:
            d = beta * d + (1 - beta) * g
            f_bar = beta * f_bar + (1 - beta) * data.values[t]
            gamma = beta * gamma + (1 - beta) * (g @ x)
        model = shrink * (f_bar - gamma) + d @ x
        if adapt_lower_bound and model < shrink * f_star:
            f_star = max(model / (2 * shrink), lower_bound)
        tau = min(learning_rate, max(model - shrink * f_star, 0.0) / (d @ d))
        updates.append(-(tau * d + learning_rate * weight_decay * x) / shrink)  # (x - tau d) / shrink - x
        if adapt_lower_bound:
            f_star = max(f_bar - gamma + d @ x - tau * (d @ d) / 2, lower_bound)
    return unflat_rows(updates, gradients)


def weight_decay_of_optax(twin: str, float32: float, float64: float) -> Deviation:
    """At a decay of 0.2 and a rate of 0.5, 1 + eta lambda is 1.1; sizes as measured."""
    around = (float32 / 2, float32 * 2)
    return Deviation(
        twin=twin,
        since="optax 0.2.8",
        what="the step along the gradient is not divided by 1 + eta lambda, as in the paper's eq. 16",
        settings={"weight_decay": 0.2},
        sizes={"float32": around, "float32 (x64)": around, "float64": (float64 / 2, float64 * 2)},
        thread="https://github.com/google-deepmind/optax/pull/1787",
    )


RECORD = Record(
    name="momo",
    family="model-based",
    papers=(PAPER,),
    make=MoMo,
    twins=(
        Twin(
            "optax.contrib.momo",
            optax,
            {"d": "exp_avg", "f_bar": "barf", "gamma": "gamma", "bound": "lb"},
            note="The same arguments; with weight_decay its steps are longer.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {},
        {"learning_rate": 0.01, "beta": 0.5, "lower_bound": 0.5},
        {"learning_rate": 0.02, "lower_bound": 0.5, "adapt_lower_bound": True},
        {"learning_rate": 0.5, "weight_decay": 0.2},
    ),
    transcription=paper,
    deviations=(weight_decay_of_optax("optax.contrib.momo", float32=4.2e5, float64=2e14),),
    ill_conditioned="the gap is a difference of losses and of products that cancel",
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
