from ...core import Record, Twin
from .._adamaxw import AdamaxW
from . import adamax, adamw
from ._common import ADAM, literal_debias


def optax(learning_rate, b1, b2, eps, debias, weight_decay, schedule, decay):
    if decay != "rate":
        return "optax.adamaxw multiplies the decay by the rate: decay='rate'"
    if debias == "none":
        return "optax.adamaxw always corrects its average"
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "weight_decay": weight_decay}


def torch(learning_rate, b1, b2, eps, debias, weight_decay, schedule, decay):
    if decay != "coupled":
        return "torch.optim.Adamax adds the decay to the gradient: decay='coupled'"
    if debias == "none":
        return "torch.optim.Adamax always corrects its average"
    return {"lr": learning_rate, "betas": (b1, b2), "eps": eps, "weight_decay": weight_decay}


def paper(gradients, params, learning_rate, b1, b2, eps, weight_decay, schedule):
    return adamax.paper(gradients, params, learning_rate, b1, b2, eps) - schedule * weight_decay * params


RECORD = Record(
    name="adamaxw",
    family="adaptive",
    papers=(*adamw.RECORD.papers, ADAM),
    make=AdamaxW,
    twins=(
        Twin(
            "optax.adamaxw",
            optax,
            {"m": "mu", "w": "nu"},
            note="decay='rate'; its default weight_decay is 1e-4.",
        ),
        Twin("torch.optim.Adamax", torch, {"m": "exp_avg", "w": "exp_inf"}, note="decay='coupled'."),
    ),
    settings=(
        {"learning_rate": 2e-3},
        {"learning_rate": 1e-2, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "weight_decay": 0.01, "schedule": 0.5},
        {"learning_rate": 2e-3, "weight_decay": 0.1, "decay": "rate", "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.999, "eps": 1e-3, "weight_decay": 0.1, "decay": "rate"},
        {"learning_rate": 2e-3, "weight_decay": 0.1, "decay": "coupled"},
    ),
    transcription=paper,
    deviations=(literal_debias("optax.adamaxw", float32=163, float64=65, b1=0.999),),
    zero_gradient_moves=True,  # the decay
)
