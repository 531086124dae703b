import jax
import numpy as np

from ...core import Record, Twin
from .._schedule_free_sgd import ScheduleFreeSGD
from ._common import TORCH_HAS_NONE
from .schedule_free import DEFAZIO, LARGEST, WARMUP, from_step_1, move, shares


def optax(learning_rate, b1, weight_decay, weight_power, weights):
    if callable(learning_rate) and weights == "rate":
        return LARGEST
    return {
        "learning_rate": learning_rate,
        "b1": b1,
        "weight_decay": weight_decay,
        "weight_lr_power": weight_power,
    }


def on_each_leaf(name):
    """Ours keeps the number beside every array, Optax's once."""
    return lambda get, fields: jax.tree.map(lambda z: get(name), get("z"))


def paper(gradients, params, learning_rates, b1, weight_decay, weight_power, weights):
    z, updates = params[0], []
    for rate, c, g, y in zip(
        learning_rates, shares(learning_rates, weight_power, weights), gradients, params, strict=True
    ):
        u, z = move(y, z, -rate * (g + weight_decay * y), b1, c)
        updates.append(u)
    return np.stack(updates)


RECORD = Record(
    name="schedule_free_sgd",
    family="averaging",
    papers=(DEFAZIO,),
    make=ScheduleFreeSGD,
    twins=(
        Twin(
            "optax.contrib.schedule_free_sgd",
            optax,
            {"z": "z", "total": on_each_leaf("weight_sum"), "largest": on_each_leaf("max_lr")},
            note="Its learning_rate is 1; its warmup_steps are a Warmup(..., start=0) schedule here, of which it reads the "
            "weights one step ahead.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 3.0},
        {"learning_rate": 1.0, "b1": 0.5, "weight_decay": 0.1, "weight_power": 1.0},
        {"learning_rate": WARMUP, "weights": "largest_rate"},
        {"learning_rate": WARMUP},
    ),
    transcription=paper,
    deviations=(from_step_1("optax.contrib.schedule_free_sgd", float32=1.55e6, float64=8.3e14),),
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
