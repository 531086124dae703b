"""Initialisers whose scale is the network's: its number of blocks."""

from ...core import Paper, Record
from .. import _fixup as fixup
from ._common import KERNEL, NO_OPTAX
from ._variance_scaling import scaled, variance_scaling_twin

_FIXUP = Paper(
    "Zhang, Dauphin & Ma",
    2019,
    "Fixup initialization: residual learning without normalization",
    "ICLR",
    "https://arxiv.org/abs/1901.09321",
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
)
