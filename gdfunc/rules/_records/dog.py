import numpy as np

from ...core import Paper, Record, Twin
from .._dog import DoG
from ._common import TORCH_HAS_NONE, zero_gradient_in_float16
from ._whole_tree import flat_rows, unflat_rows


def optax(learning_rate, first_step, first_step_as, eps):
    return {"learning_rate": learning_rate, "init_step": (first_step_as, first_step), "eps": eps}


def paper(gradients, params, learning_rate, first_step, first_step_as, eps):
    gs, xs, updates = flat_rows(gradients), flat_rows(params), []
    r = {"heuristic": first_step * (1 + np.linalg.norm(xs[0])), "distance": first_step, "learning_rate": 0.0}
    farthest, total = r[first_step_as], 0.0
    for t, (g, x) in enumerate(zip(gs, xs, strict=True)):
        farthest = max(farthest, np.linalg.norm(x - xs[0]))
        total += g @ g
        eta = first_step if t == 0 and first_step_as == "learning_rate" else farthest / np.sqrt(total + eps)
        updates.append(-learning_rate * eta * g)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="dog",
    family="parameter-free",
    papers=(
        Paper(
            "Ivgi, Hinder & Carmon",
            2023,
            "DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule",
            "ICML",
            "https://arxiv.org/abs/2302.12022",
        ),
    ),
    make=DoG,
    twins=(
        Twin(
            "optax.contrib.dog",
            optax,
            {"x0": "init_params", "r": "max_dist", "G": "sum_sq_norm_grads"},
            note="init_step=(first_step_as, first_step); its weight_decay is AddDecayedWeights before DoG.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {},
        {"first_step": 0.01, "first_step_as": "learning_rate"},
        {"learning_rate": 0.5, "first_step": 0.003, "first_step_as": "distance", "eps": 1.0},
    ),
    transcription=paper,
    deviations=(zero_gradient_in_float16("optax.contrib.dog", "eps is rounded to 0", learning_rate=0.25),),
)
