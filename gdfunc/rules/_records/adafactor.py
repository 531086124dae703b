import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._adafactor import Adafactor
from ._common import zero_gradient_in_float16


def optax(
    learning_rate,
    decay_power,
    eps,
    min_scale,
    clipping_threshold,
    momentum,
    weight_decay,
    relative,
    rate_limit,
    decay,
    eps_at,
    min_dim_size_to_factor,
):
    if rate_limit == "root":
        return "optax.adafactor takes the rate as given: rate_limit='none'"
    if weight_decay is not None and decay == "rate":
        return "optax.adafactor subtracts the decay without the rate: decay='step'"
    if eps_at == "floor":
        return "optax.adafactor adds its eps to the squares: eps_at='squares'"
    if relative and min_scale != 1e-3:
        return "optax.adafactor has min_scale=1e-3"
    return {
        "learning_rate": learning_rate,
        "decay_rate": decay_power,
        "eps": eps,
        "clipping_threshold": clipping_threshold,
        "momentum": momentum,
        "weight_decay_rate": weight_decay,
        "multiply_by_parameter_scale": relative,
        "min_dim_size_to_factor": min_dim_size_to_factor,
    }


def torch(
    learning_rate,
    decay_power,
    eps,
    min_scale,
    clipping_threshold,
    momentum,
    weight_decay,
    relative,
    rate_limit,
    decay,
    eps_at,
    min_dim_size_to_factor,
):
    if rate_limit == "none":
        return "torch.optim.Adafactor limits the rate by 1 / sqrt(t): rate_limit='root'"
    if weight_decay is not None and decay == "step":
        return "torch.optim.Adafactor multiplies the decay by the rate: decay='rate'"
    if eps_at == "squares":
        return "torch.optim.Adafactor bounds the estimate from below: eps_at='floor'"
    if momentum is not None:
        return "torch.optim.Adafactor has no momentum"
    if clipping_threshold is None or not relative or min_dim_size_to_factor != 1:
        return "torch.optim.Adafactor always clips, scales by the parameters and factors"
    return {
        "lr": learning_rate,
        "beta2_decay": -decay_power,
        "eps": (eps, min_scale),
        "d": clipping_threshold,
        "weight_decay": weight_decay or 0.0,
    }


def paper(gradients, params, learning_rate, decay_power, eps, min_scale, clipping_threshold):
    rms = lambda x: np.sqrt(np.mean(x**2))  # noqa: E731
    r = c = v = 0.0
    updates = []
    for t, (g, x) in enumerate(zip(gradients, params, strict=True), 1):
        rho = min(learning_rate, 1 / np.sqrt(t))
        alpha = max(min_scale, rms(x)) * rho
        beta2 = 1 - t**-decay_power
        if g.ndim == 2:
            n, m = g.shape
            r = beta2 * r + (1 - beta2) * (g**2 + eps) @ np.ones((m, 1))
            c = beta2 * c + (1 - beta2) * np.ones((1, n)) @ (g**2 + eps)
            v = r @ c / (np.ones((1, n)) @ r)
        else:
            v = beta2 * v + (1 - beta2) * (g**2 + eps)
        u = g / np.sqrt(v)
        updates.append(-alpha * u / max(1, rms(u) / clipping_threshold))
    return np.stack(updates)


_TORCH = {"eps": 1e-7, "eps_at": "floor"}

RECORD = Record(
    name="adafactor",
    family="adaptive",
    papers=(
        Paper(
            "Shazeer & Stern",
            2018,
            "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost",
            "ICML",
            "https://arxiv.org/abs/1804.04235",
        ),
    ),
    make=Adafactor,
    twins=(
        Twin(
            "optax.adafactor",
            optax,
            note="rate_limit='none', decay='step'; it factors the two largest axes, ours the last two, and none below 128.",
        ),
        Twin(
            "torch.optim.Adafactor",
            torch,
            note="eps_at='floor'; its default eps is that of the dtype.",
        ),
    ),
    settings=(
        {},
        {"learning_rate": 0.5, "decay_power": 0.5, "eps": 1e-4, "min_scale": 2e-3, "clipping_threshold": 0.5},
        {"rate_limit": "none"},
        {"momentum": 0.9, "rate_limit": "none"},
        {
            "learning_rate": 0.3,
            "decay_power": 0.5,
            "eps": 1e-4,
            "clipping_threshold": None,
            "weight_decay": 0.1,
            "relative": False,
            "rate_limit": "none",
            "decay": "step",
            "min_dim_size_to_factor": 128,
        },
        # Large rates: what PyTorch adds is read off the parameters, to their rounding.
        {**_TORCH, "learning_rate": 0.3},
        {
            **_TORCH,
            "learning_rate": 0.5,
            "decay_power": 0.5,
            "min_scale": 2e-3,
            "clipping_threshold": 1.5,
            "weight_decay": 0.1,
        },
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.adafactor",
            since="optax 0.2.8",
            what="the momentum is kept in float32 for float64 parameters too, unless dtype_momentum says otherwise",
            settings={"rate_limit": "none", "momentum": 0.9},
            sizes={"float64": (3.6e8, 1.9e9)},
        ),
        Deviation(
            twin="optax.adafactor",
            since="optax 0.2.8",
            what="1 - t**-0.8 is computed in float32 for float64 parameters too",
            settings={"rate_limit": "none"},
            sizes={"float64": (5e7, 6e8)},
        ),
        zero_gradient_in_float16("optax.adafactor", "eps is rounded to 0", learning_rate=0.5, rate_limit="none"),
    ),
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
