from ...core import Paper, Record
from .._barzilai_borwein import BarzilaiBorwein
from ._common import TORCH_HAS_NONE
from ._whole_tree import flat_rows, unflat_rows


def paper(gradients, params, learning_rate, step_size):
    gs, xs = flat_rows(gradients), flat_rows(params)
    updates = [-learning_rate * gs[0]]
    for t in range(1, len(gs)):
        s, y = xs[t] - xs[t - 1], gs[t] - gs[t - 1]
        long = step_size == "long" or (step_size == "alternating" and t % 2 == 1)  # t counts from 0 here
        alpha = (s @ s) / (s @ y) if long else (s @ y) / (y @ y)
        updates.append(-(alpha if s @ y > 0 else learning_rate) * gs[t])
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="barzilai_borwein",
    family="second order",
    papers=(
        Paper(
            "Barzilai & Borwein",
            1988,
            "Two-Point Step Size Gradient Methods",
            "IMA Journal of Numerical Analysis 8(1)",
            "https://doi.org/10.1093/imanum/8.1.141",
        ),
    ),
    make=BarzilaiBorwein,
    no_twin={"optax": "optax 0.2.8 has no such rule", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.01},
        {"learning_rate": 0.01, "step_size": "short"},
        {"learning_rate": 0.001, "step_size": "alternating"},
    ),
    transcription=paper,
    ill_conditioned="<s, y> is a sum of terms of both signs, which the rate divides by or is made of",
)
