from ...core import Paper, Record
from .._ema_params import EMAParams
from ._common import ADAM


def paper(gradients, params, decay, debias):
    return gradients


RECORD = Record(
    name="ema_params",
    family="averaging",
    papers=(
        Paper(
            "Polyak & Juditsky",
            1992,
            "Acceleration of Stochastic Approximation by Averaging",
            "SIAM Journal on Control and Optimization",
            "https://epubs.siam.org/doi/10.1137/0330046",
        ),
        ADAM,
    ),
    make=EMAParams,
    no_twin={
        "optax": "optax.ema averages the updates; optax.incremental_update is one step of this average",
        "torch": "torch.optim.swa_utils.AveragedModel averages a module beside its optimizer",
    },
    settings=({}, {"decay": 0.9, "debias": False}),
    transcription=paper,
)
