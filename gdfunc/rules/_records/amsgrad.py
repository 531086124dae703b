import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._amsgrad import AMSGrad
from ._common import double_debias, literal_debias


def optax(learning_rate, b1, b2, eps, correction, debias):
    if correction == "after_max":
        return "optax.amsgrad takes the maximum of the corrected average"
    corrected = correction == "before_max"
    return {
        "learning_rate": learning_rate,
        "b1": b1,
        "b2": b2,
        "eps": eps,
        "bias_correction_mu": corrected,
        "bias_correction_nu": corrected,
    }


def torch(learning_rate, b1, b2, eps, correction, debias):
    if correction != "after_max":
        return "torch.optim.Adam(amsgrad=True) corrects the maximum of the raw average: correction='after_max'"
    return {"lr": learning_rate, "betas": (b1, b2), "eps": eps, "amsgrad": True}


def paper(gradients, params, learning_rate, b1, b2, eps):
    m, v, v_hat, updates = (
        np.zeros_like(gradients[0]),
        np.zeros_like(gradients[0]),
        np.zeros_like(gradients[0]),
        [],
    )
    for g in gradients:
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        v_hat = np.maximum(v_hat, v)
        updates.append(-learning_rate * m / (np.sqrt(v_hat) + eps))
    return np.stack(updates)


RECORD = Record(
    name="amsgrad",
    family="adaptive",
    papers=(
        Paper(
            "Reddi, Kale & Kumar",
            2018,
            "On the Convergence of Adam and Beyond",
            "ICLR",
            "https://arxiv.org/abs/1904.09237",
        ),
    ),
    make=AMSGrad,
    twins=(
        Twin(
            "optax.amsgrad",
            optax,
            {"m": "mu", "v": "nu", "v_max": "nu_max"},
            note="Its default is correction='before_max'; PyTorch's form has no setting there (issue 1389).",
        ),
        Twin(
            "torch.optim.Adam",
            torch,
            {"m": "exp_avg", "v": "exp_avg_sq", "v_max": "max_exp_avg_sq"},
            note="amsgrad=True.",
        ),
    ),
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 1e-2, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
        {"learning_rate": 1e-3, "correction": "before_max", "debias": "power"},
        {"learning_rate": 1e-2, "b2": 0.9, "correction": "before_max", "debias": "power"},
        {"learning_rate": 1e-3, "correction": "before_max"},
        {"learning_rate": 1e-3, "correction": "after_max"},
        {"learning_rate": 1e-3, "correction": "after_max", "debias": "power"},
        {"learning_rate": 1e-2, "b1": 0.5, "b2": 0.9, "eps": 1e-3, "correction": "after_max"},
    ),
    transcription=paper,
    deviations=(
        literal_debias("optax.amsgrad", float32=83, float64=32, b2=0.999, correction="before_max"),
        *double_debias("torch.optim.Adam", float32=85, float64=31, b2=0.999),
        Deviation(
            twin="optax.amsgrad",
            since="optax 0.2.8",
            what="none of its flags gives PyTorch's form, which corrects the maximum of the raw average",
            settings={"learning_rate": 0.5, "correction": "after_max"},
            thread="https://github.com/google-deepmind/optax/issues/1389",
        ),
    ),
)
