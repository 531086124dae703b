"""Initialisers whose scale is the network's: its number of blocks, its width."""

import numpy as np

from ...core import Paper, Record
from .. import _fixup as fixup, _mup as mup
from ._common import KERNEL, NO_OPTAX, normals
from ._variance_scaling import scaled, variance_scaling_twin

_FIXUP = Paper(
    "Zhang, Dauphin & Ma",
    2019,
    "Fixup initialization: residual learning without normalization",
    "ICLR",
    "https://arxiv.org/abs/1901.09321",
)
_MUP = Paper(
    "Yang, Hu, Babuschkin, Sidor, Liu, Farhi, Ryder, Pachocki, Chen & Gao",
    2021,
    "Tensor programs V: tuning large neural networks via zero-shot hyperparameter transfer",
    "NeurIPS",
    "https://arxiv.org/abs/2203.03466",
)
_SECOND_MOMENT = {"relu": 0.5, "identity": 1.0}


def _variance(blocks, layers, activation):
    """n_in times that of a weight."""
    return blocks ** (-1 / (layers - 1)) / _SECOND_MOMENT[activation]


NETWORKS = (
    Record(
        "fixup",
        "residual",
        (_FIXUP,),
        fixup.fixup,
        twins=(
            variance_scaling_twin(
                lambda **fields: {"scale": _variance(**fields), "mode": "fan_in", "distribution": "normal"}
            ),
        ),
        no_twin={"torch": "torch.nn.init has gains by name, and none for a number of blocks", **NO_OPTAX},
        settings=({"blocks": 9}, {"blocks": 16, "layers": 3, "activation": "identity"}),
        example=KERNEL,
        curried=True,
        transcription=lambda *draw, blocks, layers=2, activation="relu": scaled(
            *draw, gain=_variance(blocks, layers, activation) ** 0.5
        ),
    ),
    Record(
        "mup_output",
        "variance scaling",
        (_MUP,),
        mup.mup_output,
        no_twin={
            "jax": "jax.nn.initializers divides variances by one fan",
            "torch": "torch.nn.init divides variances by one fan",
            **NO_OPTAX,
        },
        settings=({}, {"base_width": 64, "gain": 2**0.5}),
        example=KERNEL,
        curried=True,
        transcription=lambda key, shape, dtype, base_width=1, gain=1.0: (
            gain * base_width**0.5 / np.prod(shape[:-1]) * normals(key, shape, dtype)
        ),
    ),
)
