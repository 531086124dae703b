import math
from typing import Any

import numpy as np

from ...core import Paper, Record, Twin
from .. import _named as named, _variance_scaling as scaling
from ._common import GLOROT, HE, KERNEL, cut_normals, draws_differ, normals, uniforms

_LECUN = Paper(
    "LeCun, Bottou, Orr & Müller",
    1998,
    "Efficient BackProp",
    "Neural Networks: Tricks of the Trade",
    "https://doi.org/10.1007/3-540-49430-8_2",
)

_UNIT = {
    "normal": normals,
    "uniform": lambda *draw: math.sqrt(3) * uniforms(*draw),
    "truncated_normal": cut_normals,
}


def _fan(shape, fan):
    fan_in = int(np.prod(shape)) // shape[-1]
    fan_out = int(np.prod(shape)) // shape[-2]
    return {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[fan]


def scaled(key, shape, dtype, gain=1.0, fan="in", distribution="normal"):
    return gain / math.sqrt(_fan(shape, fan)) * _UNIT[distribution](key, shape, dtype)


def _distribution(truncated):
    return "truncated_normal" if truncated else "normal"


# He et al. eq 15: the second moment of a (leaky) rectifier is (1 + a^2) / 2.
_SECOND_MOMENT = {"relu": 0.5, "leaky_relu": (1 + 0.01**2) / 2, "identity": 1.0}


def _he(key, shape, dtype, distribution, activation="relu", fan="in"):
    return scaled(key, shape, dtype, _SECOND_MOMENT[activation] ** -0.5, fan, distribution)


def _jax_scaling(gain: float, fan: str, distribution: str) -> dict[str, Any]:
    mode = {"in": "fan_in", "out": "fan_out", "average": "fan_avg"}[fan]
    return {"scale": gain**2, "mode": mode, "distribution": distribution}


def variance_scaling_twin(arguments) -> Twin:
    return Twin(
        "jax.nn.initializers.variance_scaling",
        arguments,
        note="Its scale is the square of our gain. In 16-bit dtypes the draws differ: ours are float32's, rounded.",
    )


def _he_arguments(activation, fan, truncated=True):
    if activation != "relu" or fan != "in" or not truncated:
        return "JAX's he_* have relu's gain, fan_in and a truncated normal; use variance_scaling"
    return {}


_RELATIVES = "JAX's is truncated always; use variance_scaling"

VARIANCE_SCALING = (
    Record(
        "variance_scaling",
        "variance scaling",
        (HE, GLOROT),
        scaling.variance_scaling,
        twins=(variance_scaling_twin(_jax_scaling),),
        no_twin=draws_differ("kaiming_normal_", "gain / sqrt(fan)"),
        settings=(
            {},
            {"gain": 0.3, "fan": "out", "distribution": "uniform"},
            {"gain": 2.0, "fan": "average", "distribution": "truncated_normal"},
        ),
        example=KERNEL,
        curried=True,
        transcription=scaled,
    ),
    Record(
        "lecun_normal",
        "variance scaling",
        (_LECUN,),
        named.lecun_normal,
        twins=(
            Twin("jax.nn.initializers.lecun_normal", lambda truncated: {} if truncated else _RELATIVES),
            variance_scaling_twin(lambda truncated: _jax_scaling(1.0, "in", _distribution(truncated))),
        ),
        no_twin=draws_differ("kaiming_normal_(nonlinearity='linear')", "1 / sqrt(fan_in)"),
        settings=({}, {"truncated": True}),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw, truncated=False: scaled(*draw, distribution=_distribution(truncated)),
    ),
    Record(
        "lecun_uniform",
        "variance scaling",
        (_LECUN,),
        named.lecun_uniform,
        twins=(Twin("jax.nn.initializers.lecun_uniform", dict),),
        no_twin=draws_differ("kaiming_uniform_(nonlinearity='linear')", "on +-sqrt(3 / fan_in)"),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw: scaled(*draw, distribution="uniform"),
    ),
    Record(
        "xavier_normal",
        "variance scaling",
        (GLOROT,),
        named.xavier_normal,
        twins=(
            Twin(
                "jax.nn.initializers.glorot_normal",
                lambda gain, truncated: {} if truncated and gain == 1 else _RELATIVES,
            ),
            variance_scaling_twin(lambda gain, truncated: _jax_scaling(gain, "average", _distribution(truncated))),
        ),
        no_twin=draws_differ("xavier_normal_", "gain sqrt(2 / (fan_in + fan_out))"),
        settings=({}, {"truncated": True}, {"gain": 0.5}),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw, gain=1.0, truncated=False: scaled(
            *draw, gain=gain, fan="average", distribution=_distribution(truncated)
        ),
    ),
    Record(
        "xavier_uniform",
        "variance scaling",
        (GLOROT,),
        named.xavier_uniform,
        twins=(
            Twin("jax.nn.initializers.glorot_uniform", lambda gain: {} if gain == 1 else "JAX's has no gain"),
            variance_scaling_twin(lambda gain: _jax_scaling(gain, "average", "uniform")),
        ),
        no_twin=draws_differ("xavier_uniform_", "on +-gain sqrt(6 / (fan_in + fan_out))"),
        settings=({}, {"gain": 0.5}),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw, gain=1.0: scaled(*draw, gain=gain, fan="average", distribution="uniform"),
    ),
    Record(
        "he_normal",
        "variance scaling",
        (HE,),
        named.he_normal,
        twins=(
            Twin("jax.nn.initializers.he_normal", _he_arguments),
            variance_scaling_twin(
                lambda activation, fan, truncated: _jax_scaling(
                    _SECOND_MOMENT[activation] ** -0.5, fan, _distribution(truncated)
                )
            ),
        ),
        no_twin=draws_differ("kaiming_normal_", "gain / sqrt(fan), but its gain is a table: see gain"),
        settings=({}, {"truncated": True}, {"activation": "leaky_relu"}, {"activation": "identity", "fan": "out"}),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw, truncated=False, **settings: _he(
            *draw, distribution=_distribution(truncated), **settings
        ),
    ),
    Record(
        "he_uniform",
        "variance scaling",
        (HE,),
        named.he_uniform,
        twins=(
            Twin("jax.nn.initializers.he_uniform", _he_arguments),
            variance_scaling_twin(
                lambda activation, fan: _jax_scaling(_SECOND_MOMENT[activation] ** -0.5, fan, "uniform")
            ),
        ),
        no_twin=draws_differ("kaiming_uniform_", "on +-gain sqrt(3 / fan), but its gain is a table: see gain"),
        settings=({}, {"activation": "leaky_relu"}, {"fan": "out"}),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw, **settings: _he(*draw, distribution="uniform", **settings),
    ),
)
