import numpy as np

from ...core import Paper, Record
from .._heavy_ball import HeavyBall


def paper(gradients, params, learning_rate, momentum):
    age = np.subtract.outer(np.arange(len(gradients)), np.arange(len(gradients)))  # the recursion, solved
    return -learning_rate * np.tensordot(np.where(age < 0, 0, momentum ** np.abs(age)), gradients, axes=1)


RECORD = Record(
    name="heavy_ball",
    family="gradient descent",
    papers=(
        Paper(
            "Polyak",
            1964,
            "Some methods of speeding up the convergence of iteration methods",
            "USSR Computational Mathematics and Mathematical Physics 4(5)",
            "https://doi.org/10.1016/0041-5553(64)90137-5",
        ),
    ),
    make=HeavyBall,
    no_twin={
        "optax": "optax.sgd(momentum=...) is SGD(momentum_at='before_rate'): the same only while the rate is constant",
        "torch": "torch.optim.SGD is SGD(momentum_at='before_rate'): the same only while the rate is constant",
    },
    settings=({"learning_rate": 0.03}, {"learning_rate": 0.1, "momentum": 0.5}),
    transcription=paper,
)
