import numpy as np

from ...core import Deviation, Record, Twin
from .._schedule_free_adamw import ScheduleFreeAdamW
from ._common import TORCH_HAS_NONE, one_minus_power
from .schedule_free import DEFAZIO, LARGEST, WARMUP, from_step_1, move, shares
from .schedule_free_sgd import on_each_leaf


def optax(learning_rate, b1, b2, eps, weight_decay, weight_power, weights, debias_at):
    if debias_at == "rate":
        return "Optax corrects the average instead of the rate"
    if callable(learning_rate) and weights == "rate":
        return LARGEST
    return {
        "learning_rate": learning_rate,
        "b1": b1,
        "b2": b2,
        "eps": eps,
        "weight_decay": weight_decay,
        "weight_lr_power": weight_power,
    }


def paper(gradients, params, learning_rates, b1, b2, eps, weight_decay, weight_power, weights):
    gammas = [rate * np.sqrt(one_minus_power(b2, t)) for t, rate in enumerate(learning_rates, 1)]
    v, z, updates = np.zeros_like(params[0]), params[0], []
    for gamma, c, g, y in zip(gammas, shares(gammas, weight_power, weights), gradients, params, strict=True):
        v = b2 * v + (1 - b2) * g**2
        u, z = move(y, z, -gamma * (g / (np.sqrt(v) + eps) + weight_decay * y), b1, c)
        updates.append(u)
    return np.stack(updates)


RECORD = Record(
    name="schedule_free_adamw",
    family="averaging",
    papers=(DEFAZIO,),
    make=ScheduleFreeAdamW,
    twins=(
        Twin(
            "optax.contrib.schedule_free_adamw",
            optax,
            {"z": "z", "v": "nu", "total": on_each_leaf("weight_sum"), "largest": on_each_leaf("max_lr")},
            note="Its learning_rate is 0.0025; its warmup_steps are a Warmup(..., start=0) schedule here, of which it reads "
            "the weights one step ahead. It is debias_at='average'.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.1},
        {"learning_rate": 0.01, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.1, "weight_power": 1.0},
        {"learning_rate": WARMUP, "weight_power": 1.0},
        {"learning_rate": WARMUP, "weights": "largest_rate"},
        {"learning_rate": 0.01, "debias_at": "average"},
        {"learning_rate": 0.01, "b2": 0.9, "weight_decay": 0.1, "weight_power": 0.0, "debias_at": "average"},
        {"learning_rate": WARMUP, "b2": 0.9, "weights": "largest_rate", "debias_at": "average"},
    ),
    transcription=paper,
    deviations=(
        from_step_1("optax.contrib.schedule_free_adamw", float32=1.5e6, float64=8e14),
        Deviation(
            twin="optax.contrib.schedule_free_adamw",
            since="optax 0.2.8",
            what="1 - beta**t is evaluated literally, in float32 where x64 is off: digits cancel in the first steps",
            settings={"b2": 0.999, "debias_at": "average"},
            sizes={"float32": (30, 140), "float64": (10, 40)},
            thread="https://github.com/google-deepmind/optax/issues/1532",
        ),
    ),
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
