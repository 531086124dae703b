import numpy as np

from ...core import Paper, Record, Twin
from .._sign_sgd import SignSGD
from ._common import TORCH_HAS_NONE

BERNSTEIN = Paper(
    "Bernstein, Wang, Azizzadenesheli & Anandkumar",
    2018,
    "signSGD: Compressed Optimisation for Non-Convex Problems",
    "ICML",
    "https://arxiv.org/abs/1802.04434",
)

RECORD = Record(
    name="signsgd",
    family="sign",
    papers=(BERNSTEIN,),
    make=SignSGD,
    twins=(Twin("optax.sign_sgd", lambda learning_rate: {"learning_rate": learning_rate}),),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=({"learning_rate": 0.01}, {"learning_rate": 0.3}),
    transcription=lambda gradients, params, learning_rate: -learning_rate * np.sign(gradients),
)
