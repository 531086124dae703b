import numpy as np

from ...core import Record, Twin
from .. import _plain as plain
from ._common import GLOROT, HE, MATRIX, NO_OPTAX, RUMELHART, cut_normals, draws_differ, filled, normals, uniforms

PLAIN = (
    Record(
        "zeros",
        "constant",
        (RUMELHART,),
        plain.zeros,
        twins=(
            Twin(
                "jax.nn.initializers.zeros", dict, call=lambda twin, *draw: twin(*draw), note="An initialiser itself."
            ),
            Twin("torch.nn.init.zeros_", dict, call=filled),
        ),
        no_twin=NO_OPTAX,
        example=MATRIX,
        curried=True,
        transcription=lambda key, shape, dtype: np.zeros(shape),
    ),
    Record(
        "ones",
        "constant",
        (RUMELHART,),
        plain.ones,
        twins=(
            Twin("jax.nn.initializers.ones", dict, call=lambda twin, *draw: twin(*draw), note="An initialiser itself."),
            Twin("torch.nn.init.ones_", dict, call=filled),
        ),
        no_twin=NO_OPTAX,
        example=MATRIX,
        curried=True,
        transcription=lambda key, shape, dtype: np.ones(shape),
    ),
    Record(
        "constant",
        "constant",
        (RUMELHART,),
        plain.constant,
        twins=(
            Twin("jax.nn.initializers.constant", lambda value: {"value": value}),
            Twin("torch.nn.init.constant_", lambda value: {"val": value}, call=filled),
        ),
        no_twin=NO_OPTAX,
        settings=({"value": 0.1}, {"value": -3.0}),
        example=MATRIX,
        curried=True,
        transcription=lambda key, shape, dtype, value: np.full(shape, value),
    ),
    Record(
        "normal",
        "plain",
        (RUMELHART,),
        plain.normal,
        twins=(Twin("jax.nn.initializers.normal", lambda std: {"stddev": std}),),
        no_twin=draws_differ("normal_", "std"),
        settings=({}, {"std": 0.7}, {"std": 0.0}),
        example=MATRIX,
        curried=True,
        transcription=lambda *draw, std=0.01: std * normals(*draw),
    ),
    Record(
        "truncated_normal",
        "plain",
        (HE,),
        plain.truncated_normal,
        twins=(
            Twin(
                "jax.nn.initializers.truncated_normal",
                lambda std: {"stddev": std / plain.TRUNCATED_STD},
                note="Its stddev is the one before the cut: divide by 0.87962566.",
            ),
        ),
        no_twin=draws_differ("trunc_normal_", "std / 0.87962566 as its std, cut at a, b = -+2 of that"),
        settings=({}, {"std": 0.7}),
        example=MATRIX,
        curried=True,
        transcription=lambda *draw, std=0.01: std * cut_normals(*draw),
    ),
    Record(
        "uniform",
        "plain",
        (GLOROT,),
        plain.uniform,
        twins=(
            Twin(
                "jax.random.uniform",
                lambda low, high: {"minval": low, "maxval": high},
                call=lambda twin, *draw, **bounds: twin(*draw, **bounds),
                note="jax.nn.initializers.uniform(scale) draws from [0, scale).",
            ),
        ),
        no_twin=draws_differ("uniform_", "a = low, b = high"),
        settings=({}, {"low": -0.5, "high": 2.0}),
        example=MATRIX,
        curried=True,
        transcription=lambda *draw, low=-0.01, high=0.01: (low + high) / 2 + (high - low) / 2 * uniforms(*draw),
    ),
)
