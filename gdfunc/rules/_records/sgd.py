import jax
import numpy as np

from ...core import Deviation, Paper, Record, Twin
from ...schedules import Exponential
from .._sgd import SGD


def optax(learning_rate, momentum, dampening, nesterov, momentum_at, first_step):
    if momentum is None:
        return {"learning_rate": learning_rate}
    if dampening != 0.0:
        return "optax.sgd has no dampening"
    if momentum_at == "after_rate" and callable(learning_rate):
        return "optax.sgd multiplies the velocity by the rate, so a schedule acts on past gradients too"
    return {"learning_rate": learning_rate, "momentum": momentum, "nesterov": nesterov}


def torch(learning_rate, momentum, dampening, nesterov, momentum_at, first_step):
    if callable(learning_rate):
        return "torch.optim takes schedules through lr_scheduler"
    if momentum is None:
        return {"lr": learning_rate}
    if dampening != 0.0 and momentum == 0.0:
        return "torch.optim.SGD ignores its dampening without momentum"
    if dampening != 0.0 and first_step != "copied":
        return "torch.optim.SGD does not dampen the first step"
    if dampening != 0.0 and nesterov:
        return "torch.optim.SGD refuses dampening with Nesterov's momentum"
    return {"lr": learning_rate, "momentum": momentum, "dampening": dampening, "nesterov": nesterov}


def velocity(get, fields):
    """optax.trace gathers g; with momentum_at="after_rate" ours gathers eta g."""
    rate = fields["learning_rate"] if fields["momentum_at"] == "after_rate" else 1.0
    return jax.tree.map(lambda trace: rate * trace, get("trace"))


def paper(gradients, params, learning_rates, momentum, dampening, nesterov, momentum_at, first_step):
    mu = 0.0 if momentum is None else momentum
    velocity, updates = np.zeros_like(gradients[0]), []
    for t, (rate, g) in enumerate(zip(learning_rates, gradients, strict=True)):
        share = 1.0 if first_step == "copied" and t == 0 else 1 - dampening
        if momentum_at == "after_rate":
            velocity = mu * velocity - share * rate * g
            # The paper's eq. 3-4 take g at theta + mu v: in that point's coordinates the step is mu v - eta g.
            updates.append(mu * velocity - rate * g if nesterov else velocity)
        else:
            velocity = mu * velocity + share * g
            updates.append(-rate * (g + mu * velocity if nesterov else velocity))
    return np.stack(updates)


RECORD = Record(
    name="sgd",
    family="gradient descent",
    papers=(
        Paper(
            "Sutskever, Martens, Dahl & Hinton",
            2013,
            "On the importance of initialization and momentum in deep learning",
            "ICML",
            "https://proceedings.mlr.press/v28/sutskever13.html",
        ),
        Paper(
            "Polyak",
            1964,
            "Some methods of speeding up the convergence of iteration methods",
            "USSR Computational Mathematics and Mathematical Physics 4(5)",
            "https://doi.org/10.1016/0041-5553(64)90137-5",
        ),
    ),
    make=SGD,
    twins=(
        Twin(
            "optax.sgd",
            optax,
            {"b": velocity},
            note="The velocity gathers g, not eta g: momentum_at='before_rate'.",
        ),
        Twin(
            "torch.optim.SGD",
            torch,
            {"b": "momentum_buffer"},
            note="momentum_at='before_rate', first_step='copied'.",
        ),
    ),
    settings=(
        {"learning_rate": 0.1},
        {"learning_rate": 0.03, "momentum": 0.9},
        {"learning_rate": 0.03, "momentum": 0.9, "nesterov": True},
        {"learning_rate": 0.03, "momentum": 0.8, "momentum_at": "before_rate"},
        {"learning_rate": 0.03, "momentum": 0.8, "nesterov": True, "momentum_at": "before_rate"},
        {
            "learning_rate": 0.03,
            "momentum": 0.8,
            "dampening": 0.4,
            "momentum_at": "before_rate",
            "first_step": "copied",
        },
        {"learning_rate": 0.03, "momentum": 0.8, "dampening": 0.4},
        {"learning_rate": Exponential(start=0.03, rate=0.5, steps=5), "momentum": 0.8, "nesterov": True},
        {"learning_rate": Exponential(start=0.03, rate=0.5, steps=5), "momentum": 0.8, "momentum_at": "before_rate"},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="torch.optim.SGD",
            since="torch 2.13.0",
            what="with momentum=0 it ignores dampening",
            settings={"momentum": 0.0, "dampening": 0.5, "first_step": "copied"},
        ),
    ),
)
