import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._adopt import ADOPT
from ._common import TORCH_HAS_NONE


def optax(learning_rate, b1, b2, eps, clipping):
    return {"learning_rate": learning_rate, "b1": b1, "b2": b2, "eps": eps, "use_clipping": clipping}


def paper(gradients, params, learning_rate, b1, b2, eps, clipping):
    v, m = gradients[0] ** 2, np.zeros_like(gradients[0])
    updates = [np.zeros_like(gradients[0])]  # the paper's g_0
    for t, g in enumerate(gradients[1:], 1):
        c = t**0.25 if clipping else np.inf
        m = b1 * m + (1 - b1) * np.clip(g / np.maximum(np.sqrt(v), eps), -c, c)
        updates.append(-learning_rate * m)
        v = b2 * v + (1 - b2) * g**2
    return np.stack(updates)


RECORD = Record(
    name="adopt",
    family="adaptive",
    papers=(
        Paper(
            "Taniguchi et al.",
            2024,
            "ADOPT: Modified Adam Can Converge with Any beta_2 with the Optimal Rate",
            "NeurIPS",
            "https://arxiv.org/abs/2411.02853",
        ),
    ),
    make=ADOPT,
    twins=(
        Twin(
            "optax.contrib.adopt",
            optax,
            {"m": "mu", "v": "nu"},
            note="Its nesterov=True and other clip_value_fn are not in the paper and have no equivalent here.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1e-3},
        {"learning_rate": 0.1, "b1": 0.5, "b2": 0.9, "eps": 1e-3},
        {"learning_rate": 0.1, "b2": 0.99, "eps": 0.1, "clipping": False},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.contrib.adopt",
            since="optax 0.2.8",
            what="1 - b2 is taken in float32 where x64 is off: digits cancel for b2 near 1. It shows where the first "
            "gradient is zero, so that v consists of later ones, and least in single or early steps",
            settings={"b2": 0.9999},
            sizes={"float32": (0.45, 252)},
        ),
    ),
)
