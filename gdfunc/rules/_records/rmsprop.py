import jax
import numpy as np

from ...core import Paper, Record, Twin
from ...schedules import Exponential
from .._rmsprop import RMSprop
from ._common import zero_gradient_in_float16


def optax(learning_rate, decay, eps, momentum, centered, nesterov, initial_v, eps_at, momentum_at, debias):
    if momentum_at == "before_rate" and momentum is not None and callable(learning_rate):
        return "optax.rmsprop puts the rate into the velocity"
    return {
        "learning_rate": learning_rate,
        "decay": decay,
        "eps": eps,
        "momentum": momentum,
        "centered": centered,
        "nesterov": nesterov,
        "initial_scale": initial_v,
        "eps_in_sqrt": eps_at == "inside",
        "bias_correction": debias != "none",
    }


def torch(learning_rate, decay, eps, momentum, centered, nesterov, initial_v, eps_at, momentum_at, debias):
    if eps_at == "inside":
        return "torch.optim.RMSprop has its eps outside the root"
    if nesterov or initial_v != 0 or debias != "none":
        return "torch.optim.RMSprop has no Nesterov momentum, initial average or bias correction"
    return {
        "lr": learning_rate,
        "alpha": decay,
        "eps": eps,
        "momentum": momentum or 0.0,
        "centered": centered,
    }


def velocity(get, fields):
    """optax.trace gathers -eta d; ours eta d, or d with momentum_at="before_rate"."""
    rate = 1.0 if fields["momentum_at"] == "after_rate" else fields["learning_rate"]
    return jax.tree.map(lambda trace: -trace / rate, get("trace"))


def paper(gradients, params, learning_rates, decay, eps, momentum, centered, momentum_at):
    n, m, delta, updates = (np.zeros_like(gradients[0]) for _ in range(4))
    updates = []
    for rate, g in zip(learning_rates, gradients, strict=True):
        n = decay * n + (1 - decay) * g**2
        m = decay * m + (1 - decay) * g
        spread = n - m**2 if centered else n
        inside, outside = (rate, 1.0) if momentum_at == "after_rate" else (1.0, rate)
        delta = (momentum or 0.0) * delta - inside * g / np.sqrt(spread + eps)
        updates.append(outside * delta)
    return np.stack(updates)


RECORD = Record(
    name="rmsprop",
    family="adaptive",
    papers=(
        Paper(
            "Tieleman & Hinton",
            2012,
            "Lecture 6.5: RMSProp, divide the gradient by a running average of its recent magnitude",
            "COURSERA: Neural Networks for Machine Learning",
            "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
        ),
        Paper(
            "Graves",
            2013,
            "Generating Sequences With Recurrent Neural Networks",
            "arXiv",
            "https://arxiv.org/abs/1308.0850",
        ),
    ),
    make=RMSprop,
    twins=(
        Twin("optax.rmsprop", optax, {"v": "nu", "m": "mu", "b": velocity}, note="The defaults agree."),
        Twin(
            "torch.optim.RMSprop",
            torch,
            {"v": "square_avg", "m": "grad_avg", "b": "momentum_buffer"},
            note="Its default decay (alpha) is 0.99; eps_at='outside', momentum_at='before_rate'.",
        ),
    ),
    settings=(
        {"learning_rate": 0.01},
        {"learning_rate": 0.01, "decay": 0.99, "eps": 1e-4},
        {"learning_rate": 0.01, "momentum": 0.9},
        {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True},
        {"learning_rate": 0.01, "decay": 0.95, "eps": 1e-4, "momentum": 0.9, "centered": True},
        {"learning_rate": 0.01, "initial_v": 1.0},
        {"learning_rate": 0.01, "decay": 0.99, "eps_at": "outside"},
        {"learning_rate": 0.01, "decay": 0.99, "eps": 1e-4, "eps_at": "outside", "centered": True},
        {
            "learning_rate": 0.01,
            "decay": 0.99,
            "eps_at": "outside",
            "momentum": 0.9,
            "momentum_at": "before_rate",
        },
        {"learning_rate": Exponential(start=0.01, rate=0.5, steps=5), "momentum": 0.9},
        {"learning_rate": Exponential(start=0.01, rate=0.5, steps=5), "momentum": 0.9, "momentum_at": "before_rate"},
        {"learning_rate": 0.01, "debias": "power"},
        {"learning_rate": 0.01, "debias": "exact"},
    ),
    transcription=paper,
    deviations=(zero_gradient_in_float16("optax.rmsprop", "eps is rounded to 0", "issues/1784"),),
)
