from ...core import Deviation, Paper, Record, Twin
from .._adamw import AdamW
from . import adam
from ._common import double_debias, literal_debias


def optax(weight_decay, schedule, decay, **adams):
    if decay == "coupled":
        return "optax.adamw decouples; chain optax.add_decayed_weights before optax.adam instead"
    if decay == "schedule":
        return "optax.adamw multiplies the decay by the rate: decay='rate'"
    arguments = adam.optax(**adams)
    return arguments if isinstance(arguments, str) else {**arguments, "weight_decay": weight_decay}


def torch(weight_decay, schedule, decay, **adams):
    if decay != "rate":
        return "torch.optim.AdamW multiplies the decay by the rate: decay='rate'"
    arguments = adam.torch(**adams)
    return arguments if isinstance(arguments, str) else {**arguments, "weight_decay": weight_decay}


def torch_coupled(weight_decay, schedule, decay, **adams):
    if decay != "coupled":
        return "torch.optim.Adam adds the decay to the gradient: decay='coupled'"
    arguments = adam.torch(**adams)
    return arguments if isinstance(arguments, str) else {**arguments, "weight_decay": weight_decay}


def paper(gradients, params, learning_rate, b1, b2, eps, weight_decay, schedule):
    return adam.paper(gradients, params, learning_rate, b1, b2, eps) - schedule * weight_decay * params


RECORD = Record(
    name="adamw",
    family="adaptive",
    papers=(
        Paper(
            "Loshchilov & Hutter",
            2019,
            "Decoupled Weight Decay Regularization",
            "ICLR",
            "https://arxiv.org/abs/1711.05101",
        ),
    ),
    make=AdamW,
    twins=(
        Twin(
            "optax.adamw",
            optax,
            {"m": "mu", "v": "nu"},
            note="decay='rate'; its default weight_decay is 1e-4.",
        ),
        Twin(
            "torch.optim.AdamW",
            torch,
            {"m": "exp_avg", "v": "exp_avg_sq"},
            note="decay='rate'; its default weight_decay is 1e-2.",
        ),
        Twin("torch.optim.Adam", torch_coupled, {"m": "exp_avg", "v": "exp_avg_sq"}, note="decay='coupled'."),
    ),
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-3, "b1": 0.8, "b2": 0.99, "eps": 1e-4, "weight_decay": 0.01, "schedule": 0.5},
        {"learning_rate": 1e-2, "weight_decay": 0.1, "decay": "rate", "debias": "power"},
        {"learning_rate": 1e-2, "weight_decay": 0.1, "decay": "rate"},
        {
            "learning_rate": 1e-2,
            "weight_decay": 0.1,
            "decay": "rate",
            "debias": "power",
            "eps_at": "inside",
            "eps": 1e-6,
        },
        {"learning_rate": 1e-2, "weight_decay": 0.1, "decay": "coupled"},
    ),
    transcription=paper,
    deviations=(
        literal_debias("optax.adamw", float32=84, float64=32, b2=0.999),
        *double_debias("torch.optim.AdamW", float32=85, float64=31, b2=0.999),
        double_debias("torch.optim.Adam", float32=85, float64=31, b2=0.999)[0],
        Deviation(
            twin="torch.optim.AdamW",
            since="torch 2.13.0",
            what="a parameter is multiplied by 1 - eta lambda, rounded to its dtype: at eta lambda = 1e-4 it is off by so much after 1000 "
            "steps",
            settings={"learning_rate": 1e-2, "weight_decay": 1e-2, "decay": "rate"},
            sizes={"float32": (70, 270)},
        ),
    ),
    zero_gradient_moves=True,  # the decay
)
