import numpy as np

from ...core import Deviation, Record, Twin
from .._adam import Adam
from ._common import ADAM, double_debias, literal_debias, one_minus_power, zero_gradient_in_float16


def optax(learning_rate, b1, b2, eps, eps_at, debias):
    if eps_at == "before_debias":
        return "optax.adam adds its eps after the correction"
    if debias == "none":
        return "optax.adam always corrects its averages"
    where = {"eps": eps} if eps_at == "outside" else {"eps": 0.0, "eps_root": eps}
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, **where}


def torch(learning_rate, b1, b2, eps, eps_at, debias):
    if eps_at != "outside":
        return "torch.optim.Adam adds its eps outside the root, after the correction"
    if debias == "none":
        return "torch.optim.Adam always corrects its averages"
    return {"lr": learning_rate, "betas": (b1, b2), "eps": eps}


def paper(gradients, params, learning_rate, b1, b2, eps):
    m, v, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat = m / one_minus_power(b1, t)
        v_hat = v / one_minus_power(b2, t)
        updates.append(-learning_rate * m_hat / (np.sqrt(v_hat) + eps))
    return np.stack(updates)


RECORD = Record(
    name="adam",
    family="adaptive",
    papers=(ADAM,),
    make=Adam,
    twins=(
        Twin("optax.adam", optax, {"m": "mu", "v": "nu"}, note="eps_at='inside' is eps=0, eps_root=eps there."),
        Twin(
            "torch.optim.Adam",
            torch,
            {"m": "exp_avg", "v": "exp_avg_sq"},
            note="Its weight_decay is AdamW(decay='coupled'); amsgrad=True is AMSGrad(correction='after_max').",
        ),
    ),
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-3, "debias": "power"},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "debias": "power"},
        {"learning_rate": 0.1, "b1": 0.0, "b2": 0.99, "eps": 1e-3},
        {"learning_rate": 1e-3, "eps": 1e-6, "eps_at": "inside", "debias": "power"},
        {"learning_rate": 1e-3, "eps": 1e-3, "eps_at": "before_debias"},
    ),
    transcription=paper,
    deviations=(
        literal_debias("optax.adam", float32=83, float64=32, b2=0.999),
        *double_debias("torch.optim.Adam", float32=85, float64=31, b2=0.999),
        Deviation(
            twin="optax.adam",
            since="optax 0.2.8",
            what="at a zero gradient its derivatives by the gradient and by b2 are NaN, and so are those of all that divide by "
            "this root (adamw, nadam, nadamw, amsgrad, radam, lamb, ...): sqrt(v) has no slope at 0, and eps_root is 0",
            settings={"learning_rate": 0.5},
            thread="https://github.com/google-deepmind/optax/issues/882",
        ),
        zero_gradient_in_float16(
            "optax.adam",
            "eps is rounded to 0, here and in adamw, nadam, nadamw, amsgrad, adabelief, optimistic_adam_v2, and in contrib's "
            "acprop, ademamix, dadapt_adamw, prodigy, schedule_free_adamw and simplified_ademamix",
            "issues/1754",
        ),
    ),
)
