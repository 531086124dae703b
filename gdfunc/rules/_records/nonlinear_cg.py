import numpy as np

from ...core import Paper, Record
from .._nonlinear_cg import NonlinearCG
from ._common import TORCH_HAS_NONE
from ._searches import backtracking, on_line, wolfe_step
from ._whole_tree import flat_rows, unflat_rows


def paper(gradients, params, data, learning_rate, beta, eta, line_search, armijo, wolfe, shrink, trials):
    updates, last = [], None  # last: gradient, direction and step
    for g, h, value in zip(flat_rows(gradients), flat_rows(data.curvatures), data.values, strict=True):
        d = -g
        if last is not None and last[2] > 0:
            old, e, step = last
            d = -g + _beta(beta, g, old, e, eta) * e
            d = d if g @ d < 0 else -g
            first = step * (old @ e) / (g @ d) if np.any(d) else 0.0
        else:
            first = learning_rate / np.linalg.norm(d) if np.any(d) else 0.0
        phi, slope = on_line(value, g, h, d)
        search = backtracking if line_search == "backtracking" else wolfe_step
        alpha = search(phi, slope, first, armijo, wolfe, shrink, trials) if np.any(d) else 0.0
        updates.append(alpha * d)
        last = g, d, alpha
    return unflat_rows(updates, gradients)


def _beta(kind, g, old, d, eta):
    y = g - old
    if kind == "fletcher_reeves":
        return (g @ g) / (old @ old)
    if kind == "polak_ribiere":
        return max(0.0, (g @ y) / (old @ old))
    free = (y @ g - 2 * (d @ g) * (y @ y) / (d @ y)) / (d @ y)
    return max(free, -1 / (np.linalg.norm(d) * min(eta, np.linalg.norm(old))))


RECORD = Record(
    name="nonlinear_cg",
    family="second order",
    papers=(
        Paper(
            "Fletcher & Reeves",
            1964,
            "Function Minimization by Conjugate Gradients",
            "The Computer Journal 7(2)",
            "https://doi.org/10.1093/comjnl/7.2.149",
        ),
        Paper(
            "Hager & Zhang",
            2005,
            "A New Conjugate Gradient Method with Guaranteed Descent and an Efficient Line Search",
            "SIAM Journal on Optimization 16(1)",
            "https://doi.org/10.1137/030601880",
        ),
    ),
    make=NonlinearCG,
    no_twin={"optax": "optax 0.2.8 has no such rule", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 9.0, "line_search": "backtracking", "armijo": 0.3, "shrink": 0.8, "trials": 12},
        {"learning_rate": 2.0, "beta": "fletcher_reeves", "wolfe": 0.4, "trials": 6},
        {"beta": "hager_zhang", "eta": 0.4, "armijo": 1e-3, "trials": 6},
    ),
    transcription=paper,
    ill_conditioned="the quotients hold sums of terms of both signs, and a fall is the difference of two losses",
)
