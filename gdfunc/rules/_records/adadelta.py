import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._adadelta import Adadelta


def paper(gradients, params, learning_rate, rho, eps):
    s, x, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    rms = lambda average: np.sqrt(average + eps)  # noqa: E731
    for g in gradients:
        s = rho * s + (1 - rho) * g**2
        delta = -rms(x) / rms(s) * g
        x = rho * x + (1 - rho) * delta**2
        updates.append(learning_rate * delta)
    return np.stack(updates)


RECORD = Record(
    name="adadelta",
    family="adaptive",
    papers=(
        Paper(
            "Zeiler",
            2012,
            "ADADELTA: An Adaptive Learning Rate Method",
            "arXiv",
            "https://arxiv.org/abs/1212.5701",
        ),
    ),
    make=Adadelta,
    twins=(
        Twin(
            "optax.adadelta",
            lambda learning_rate, rho, eps: {"learning_rate": learning_rate, "rho": rho, "eps": eps},
            {"s": "e_g", "x": "e_x"},
            note="Give it learning_rate=1.0: with its default, None, the sign is lost and it climbs.",
        ),
        Twin(
            "torch.optim.Adadelta",
            lambda learning_rate, rho, eps: {"lr": learning_rate, "rho": rho, "eps": eps},
            {"s": "square_avg", "x": "acc_delta"},
            note="Its default rho is 0.9.",
        ),
    ),
    settings=({}, {"rho": 0.9}, {"learning_rate": 0.3, "rho": 0.8, "eps": 1e-4}),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.adadelta",
            since="optax 0.2.8",
            what="with its default, learning_rate=None, it climbs: the minus sign is lost with the rate",
            settings={"learning_rate": None},
            thread="https://github.com/google-deepmind/optax/issues/1242",
        ),
    ),
)
