import numpy as np

from ...core import Paper, Record
from .._adahessian import AdaHessian
from ._common import TORCH_HAS_NONE, one_minus_power
from ._whole_tree import flat_rows, unflat_rows


def paper(gradients, params, data, learning_rate, b1, b2, eps, hessian_power, average):
    """The Hessian of the stream is diagonal, which any signs z find exactly; it has no leaf to average over."""
    gs, hs, updates = flat_rows(gradients), flat_rows(data.curvatures), []
    m, v = np.zeros_like(gs[0]), np.zeros_like(gs[0])
    for t, (g, D) in enumerate(zip(gs, hs, strict=True), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * D * D
        denominator = np.sqrt(v / one_minus_power(b2, t)) ** hessian_power + eps
        updates.append(-learning_rate * (m / one_minus_power(b1, t)) / denominator)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="adahessian",
    family="second order",
    papers=(
        Paper(
            "Yao, Gholami, Shen, Mustafa, Keutzer & Mahoney",
            2021,
            "ADAHESSIAN: An Adaptive Second Order Optimizer for Machine Learning",
            "AAAI",
            "https://arxiv.org/abs/2006.00719",
        ),
    ),
    make=AdaHessian,
    no_twin={"optax": "optax 0.2.8 has none; see its pull request 1604", "torch": TORCH_HAS_NONE},
    settings=(
        {},
        {"learning_rate": 0.01, "b1": 0.5, "b2": 0.9, "eps": 1e-2, "hessian_power": 0.5, "average": "trailing"},
        {"learning_rate": 0.01, "average": "none"},
        {"learning_rate": 0.01, "b2": 0.9, "debias": "power"},
    ),
    transcription=paper,
)
