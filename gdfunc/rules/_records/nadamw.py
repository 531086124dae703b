from ...core import Record, Twin
from .._nadamw import NAdamW
from . import adamw, nadam
from ._common import double_debias, literal_debias


def optax(weight_decay, schedule, decay, **nadams):
    if decay != "rate":
        return "optax.nadamw multiplies the decay by the rate: decay='rate'"
    arguments = nadam.optax(**nadams)
    return arguments if isinstance(arguments, str) else {**arguments, "weight_decay": weight_decay}


def torch(weight_decay, schedule, decay, **nadams):
    if decay == "schedule":
        return "torch.optim.NAdam multiplies the decay by the rate: decay='rate'"
    arguments = nadam.torch(**nadams)
    if isinstance(arguments, str):
        return arguments
    return {**arguments, "weight_decay": weight_decay, "decoupled_weight_decay": decay == "rate"}


def paper(gradients, params, learning_rate, b1, b2, eps, momentum_decay, weight_decay, schedule):
    steps = nadam.paper(gradients, params, learning_rate, b1, b2, eps, momentum_decay)
    return steps - schedule * weight_decay * params


_OPTAX = {"momentum": "constant", "b2_factor": False, "decay": "rate", "weight_decay": 0.1}
_TORCH = {"average": "constant", "b2_factor": False, "weight_decay": 0.1}

RECORD = Record(
    name="nadamw",
    family="adaptive",
    papers=(*adamw.RECORD.papers, *nadam.RECORD.papers),
    make=NAdamW,
    twins=(
        Twin(
            "optax.nadamw",
            optax,
            {"m": "mu", "v": "nu"},
            note="momentum='constant', b2_factor=False, decay='rate'; its default weight_decay is 1e-4.",
        ),
        Twin(
            "torch.optim.NAdam",
            torch,
            {"m": "exp_avg", "v": "exp_avg_sq", "product": "mu_product"},
            note="average='constant', b2_factor=False; decay='rate' is its decoupled_weight_decay=True, decay='coupled' "
            "False. See nadam for its mu_product.",
        ),
    ),
    settings=(
        {"learning_rate": 1e-3},
        {
            "learning_rate": 1e-2,
            "b1": 0.8,
            "b2": 0.99,
            "eps": 1e-4,
            "momentum_decay": 0.05,
            "weight_decay": 0.01,
            "schedule": 0.5,
        },
        {"learning_rate": 1e-3, **_OPTAX, "debias": "power"},
        {"learning_rate": 1e-3, **_OPTAX},
        {"learning_rate": 1e-2, **_TORCH, "decay": "rate"},
        {"learning_rate": 1e-2, **_TORCH, "decay": "coupled"},
    ),
    transcription=paper,
    deviations=(
        literal_debias("optax.nadamw", float32=74, float64=28, b2=0.999),
        double_debias("torch.optim.NAdam", float32=80, float64=31, b2=0.999)[0],
    ),
    zero_gradient_moves=True,  # the decay
)
