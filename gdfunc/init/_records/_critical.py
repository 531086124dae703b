import math

import numpy as np

from ...core import Paper, Record
from .. import _critical as critical
from ._common import KERNEL, NO_OPTAX
from ._variance_scaling import scaled, variance_scaling_twin

_SCHOENHOLZ = Paper(
    "Schoenholz, Gilmer, Ganguli & Sohl-Dickstein",
    2017,
    "Deep information propagation",
    "ICLR",
    "https://arxiv.org/abs/1611.01232",
)


def _critical_weight_variance(activation, bias_variance=0.0):
    """By the trapezoidal rule and bisection; at q = 0 the slope is phi'(0)."""
    phi, slope = {
        "tanh": (np.tanh, lambda z: np.cosh(z) ** -2.0),
        "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) + (z == 0) / 2),
    }[activation]
    z = np.linspace(-9, 9, 20_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (18 / 20_000)
    weight = lambda q: 1 / np.sum(slope(math.sqrt(q) * z) ** 2 * density)  # noqa: E731
    if bias_variance == 0:
        return {"tanh": 1.0, "relu": 2.0}[activation]
    low, high = 1e-3, 10.0
    for _ in range(60):
        q = (low + high) / 2
        bias = q - weight(q) * np.sum(phi(math.sqrt(q) * z) ** 2 * density)
        low, high = (q, high) if bias < bias_variance else (low, q)
    return weight(q)


CRITICAL = (
    Record(
        "critical",
        "variance scaling",
        (_SCHOENHOLZ,),
        critical.critical,
        twins=(
            variance_scaling_twin(
                lambda activation, bias_variance: {
                    "scale": _critical_weight_variance(activation, bias_variance),
                    "mode": "fan_in",
                    "distribution": "normal",
                }
            ),
        ),
        no_twin={"torch": "torch.nn.init has gains by name, and none for a depth", **NO_OPTAX},
        settings=({"activation": "tanh"}, {"activation": "tanh", "bias_variance": 0.05}, {"activation": "relu"}),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw, **settings: scaled(*draw, gain=_critical_weight_variance(**settings) ** 0.5),
    ),
)
