import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._rprop import Rprop


def optax(on_sign_change, **arguments):
    if on_sign_change != "hold":
        return "optax.rprop stands still for a step where the sign changes: on_sign_change='hold'"
    return arguments


def torch(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size, on_sign_change):
    if on_sign_change != "hold":
        return "torch.optim.Rprop stands still for a step where the sign changes: on_sign_change='hold'"
    return {"lr": learning_rate, "etas": (eta_minus, eta_plus), "step_sizes": (min_step_size, max_step_size)}


def paper(gradients, params, learning_rate, eta_minus, eta_plus, min_step_size, max_step_size, on_sign_change):
    delta, before, last = np.full(gradients[0].shape, learning_rate), np.zeros(gradients[0].shape), 0.0
    updates = []
    for g in gradients:
        same, turned = before * g > 0, before * g < 0
        delta = np.where(same, np.minimum(delta * eta_plus, max_step_size), delta)
        delta = np.where(turned, np.maximum(delta * eta_minus, min_step_size), delta)
        # The paper takes the last step back; Rprop- goes on with the smaller one, iRprop- stands still.
        instead = {"backtrack": -np.asarray(last), "hold": 0.0, "step": -np.sign(g) * delta}[on_sign_change]
        last = np.where(turned, instead, -np.sign(g) * delta)
        before = g if on_sign_change == "step" else np.where(turned, 0.0, g)
        updates.append(last)
    return np.stack(updates)


RECORD = Record(
    name="rprop",
    family="sign",
    papers=(
        Paper(
            "Riedmiller & Braun",
            1993,
            "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm",
            "ICNN",
            "https://doi.org/10.1109/ICNN.1993.298623",
        ),
    ),
    make=Rprop,
    twins=(
        Twin("optax.rprop", optax, note="on_sign_change='hold'; every update comes one step late."),
        Twin("torch.optim.Rprop", torch, {"delta": "step_size", "g": "prev"}, note="on_sign_change='hold'."),
    ),
    settings=(
        {},
        {
            "learning_rate": 0.01,
            "eta_minus": 0.4,
            "eta_plus": 1.3,
            "min_step_size": 5e-3,
            "max_step_size": 0.05,
        },
        {"learning_rate": 0.1, "max_step_size": 0.05},
        {"learning_rate": 0.01, "on_sign_change": "hold"},
        {
            "learning_rate": 0.01,
            "eta_minus": 0.4,
            "eta_plus": 1.3,
            "min_step_size": 1e-3,
            "max_step_size": 0.05,
            "on_sign_change": "hold",
        },
        {"learning_rate": 0.01, "on_sign_change": "step"},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="paper",
            since="float32",
            what="eta_plus=1.2 is rounded to float32, and the step is its 30th power",
            settings={"eta_plus": 1.2, "max_step_size": 50.0},
            sizes={"float32": (1, 16), "float32 (x64)": (1, 16)},
        ),
        Deviation(
            twin="optax.rprop",
            since="optax 0.2.8",
            what="every update is the one of the step before, and the first is zero",
            settings={"on_sign_change": "hold"},
            sizes={"float32": (4e6, 3e7), "float32 (x64)": (4e6, 3e7), "float64": (2e15, 2e16)},
            thread="https://github.com/google-deepmind/optax/pull/1725",
        ),
        Deviation(
            twin="torch.optim.Rprop",
            since="torch 2.13.0",
            what="it clips the first step too: a learning_rate above the largest step size is not the first step",
            settings={"learning_rate": 0.1, "max_step_size": 0.05, "on_sign_change": "hold"},
        ),
    ),
)
