import numpy as np

from ...core import Deviation, Paper, Record, Twin
from ...schedules import Exponential, Warmup
from .._adamw import AdamW
from .._rmsprop import RMSprop
from .._schedule_free import ScheduleFree
from .._sgd import SGD
from ._common import TORCH_HAS_NONE, inner_paper, not_in_optax

DEFAZIO = Paper("Defazio et al.", 2024, "The Road Less Scheduled", "NeurIPS", "https://arxiv.org/abs/2405.15682")
LARGEST = "Optax weighs a step by the largest rate so far"
WARMUP = Warmup(Exponential(0.1, 0.5, 10), steps=10, start=0.01)


def optax(inner, rate, b1, weight_power, weights):
    if callable(rate) and weights == "rate":
        return LARGEST
    return not_in_optax(inner) or {
        "base_optimizer": inner,
        "learning_rate": rate,
        "b1": b1,
        "weight_lr_power": weight_power,
    }


def from_step_1(twin, float32, float64, rate="learning_rate"):
    """The expected difference in the weights of a warm-up, as measured in rounding errors."""
    measured = {"float32": float32, "float32 (x64)": float32, "float64": float64}
    return Deviation(
        twin=twin,
        since="optax 0.2.8",
        what="the schedule of the weights is read one step ahead of the rule inside: its count starts at 1",
        settings={rate: WARMUP, "weights": "largest_rate"},
        sizes={mode: (size / 2, size * 2) for mode, size in measured.items()},
        thread="https://github.com/google-deepmind/optax/pull/1744",
    )


def move(y, z, d, b1, c):
    """(y's update, the new z): the paper's three lines, with x from y and z."""
    x = (y - (1 - b1) * z) / b1
    z = z + d
    x = (1 - c) * x + c * z
    return (1 - b1) * z + b1 * x - y, z


def shares(rates, weight_power, weights):
    """c of every step: the step's weight as a part of all weights so far."""
    weighed = np.asarray(rates if weights == "rate" else np.maximum.accumulate(rates), np.float64) ** weight_power
    return weighed / np.cumsum(weighed)


def paper(gradients, params, inner, rates, b1, weight_power, weights):
    updates, c = inner_paper(inner, gradients, params), shares(rates, weight_power, weights)
    for leaf, d in updates.items():
        z = params[leaf][0]
        for t in range(len(d)):
            d[t], z = move(params[leaf][t], z, d[t].copy(), b1, c[t])
    return updates


RECORD = Record(
    name="schedule_free",
    family="around rules",
    papers=(DEFAZIO,),
    make=ScheduleFree,
    twins=(
        Twin(
            "optax.contrib.schedule_free",
            optax,
            {"z": "z", "total": "weight_sum", "largest": "max_lr"},
            note="Its learning_rate is rate here, and has no default; schedule_free_eval_params is evaluation_params here.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"inner": SGD(3.0)},
        {"inner": RMSprop(0.01), "rate": 0.01, "b1": 0.95, "weights": "largest_rate"},
        {"inner": AdamW(0.01, weight_decay=0.1, b1=0.0, b2=0.9), "b1": 0.5, "weight_power": 0.0},
        {"inner": SGD(WARMUP), "rate": WARMUP, "weights": "largest_rate"},
        {"inner": SGD(WARMUP), "rate": WARMUP, "weight_power": 1.0},
    ),
    transcription=paper,
    deviations=(from_step_1("optax.contrib.schedule_free", float32=1.55e6, float64=8.3e14, rate="rate"),),
    zero_gradient_moves=lambda inner, **_: bool(getattr(inner, "weight_decay", 0)),
)
