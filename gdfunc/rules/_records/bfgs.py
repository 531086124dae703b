import numpy as np

from ...core import Paper, Record
from .._bfgs import BFGS
from ._common import TORCH_HAS_NONE
from ._searches import backtracking, on_line, wolfe_step
from ._whole_tree import flat_rows, unflat_rows


def paper(gradients, params, data, learning_rate, line_search, armijo, wolfe, shrink, trials, scaled):
    """Nocedal & Wright 2006, eq. 6.17, by whole matrices; with an estimate of the Hessian and a linear system digits are lost."""
    gs, xs, hs = flat_rows(gradients), flat_rows(params), flat_rows(data.curvatures)
    H, updates = None, []
    for t, (g, x) in enumerate(zip(gs, xs, strict=True)):
        if t > 0:
            s, y = x - xs[t - 1], g - gs[t - 1]
            if s @ y > 0:
                if H is None:
                    H = ((s @ y) / (y @ y) if scaled else 1.0) * np.eye(len(g))
                V = np.eye(len(g)) - np.outer(y, s) / (y @ s)
                H = V.T @ H @ V + np.outer(s, s) / (y @ s)
        short = min(1.0, 1 / np.linalg.norm(g)) if scaled and np.any(g) else 1.0
        d = -short * g if H is None else -H @ g
        if line_search == "fixed":
            updates.append(learning_rate * d)
            continue
        phi, slope = on_line(data.values[t], g, hs[t], d)
        search = backtracking if line_search == "backtracking" else wolfe_step
        updates.append((search(phi, slope, learning_rate, armijo, wolfe, shrink, trials) if np.any(g) else 0.0) * d)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="bfgs",
    family="second order",
    papers=(
        Paper(
            "Broyden",
            1970,
            "The Convergence of a Class of Double-rank Minimization Algorithms",
            "IMA Journal of Applied Mathematics 6(1)",
            "https://doi.org/10.1093/imamat/6.1.76",
        ),
        Paper(
            "Nocedal & Wright",
            2006,
            "Numerical Optimization, second edition",
            "Springer",
            "https://doi.org/10.1007/978-0-387-40065-5",
        ),
    ),
    make=BFGS,
    no_twin={"optax": "optax 0.2.8 has lbfgs alone, which keeps a few pairs", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.5, "line_search": "fixed"},
        {"learning_rate": 0.1, "line_search": "fixed", "scaled": False},
        {"trials": 6},
        {"learning_rate": 2.0, "wolfe": 0.1, "armijo": 1e-3, "trials": 8},
        {"line_search": "backtracking", "armijo": 0.3, "shrink": 0.8, "trials": 30},
    ),
    transcription=paper,
    ill_conditioned="1 / <s, y>, where <s, y> is a sum of terms of both signs, multiplies everything",
)
