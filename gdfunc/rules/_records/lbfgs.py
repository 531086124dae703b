import jax.numpy as jnp
import numpy as np

from ...core import Paper, Record, Twin
from .._lbfgs import LBFGS
from ._searches import backtracking, on_line, wolfe_step
from ._whole_tree import flat_rows, unflat_rows


def optax(learning_rate, memory_size, line_search, armijo, wolfe, shrink, trials, pairs, scaled):
    if line_search != "fixed":
        return "optax.lbfgs takes its line search as an object of its own, and interpolates otherwise within it"
    if pairs == "positive":
        return "optax.lbfgs keeps pairs of negative curvature: pairs='all'"
    return {
        "learning_rate": learning_rate,
        "memory_size": memory_size,
        "scale_init_precond": scaled,
        "linesearch": None,
    }


def latest_gamma(get, fields):
    """optax.lbfgs computes it anew from the newest pair, and so does ours where it keeps all pairs."""
    return jnp.ones(())


def stored(get, fields):
    """The first call stores no pair."""
    return jnp.maximum(get("count") - 1, 0)


def paper(
    gradients, params, data, learning_rate, memory_size, line_search, armijo, wolfe, shrink, trials, pairs, scaled
):
    """With the matrix H itself, and the line searches as the book has them: two procedures, one after the other."""
    gs, xs, hs = flat_rows(gradients), flat_rows(params), flat_rows(data.curvatures)
    kept, updates = [], []
    for t, (g, x) in enumerate(zip(gs, xs, strict=True)):
        if t > 0:
            s, y = x - xs[t - 1], g - gs[t - 1]
            if s @ y > 0 or pairs == "all":
                kept = [*kept, (s, y)][-memory_size:]
        scale = min(1.0, 1 / np.linalg.norm(g)) if scaled else 1.0
        if scaled and kept:
            s, y = kept[-1]
            scale = (s @ y) / (y @ y)
        H = scale * np.eye(len(g))
        for s, y in kept:
            V = np.eye(len(g)) - np.outer(y, s) / (y @ s)
            H = V.T @ H @ V + np.outer(s, s) / (y @ s)
        d = -H @ g
        if line_search == "fixed":
            updates.append(learning_rate * d)
            continue
        if not g @ d < 0:
            d = -g
        phi, slope = on_line(data.values[t], g, hs[t], d)
        search = backtracking if line_search == "backtracking" else wolfe_step
        updates.append(search(phi, slope, learning_rate, armijo, wolfe, shrink, trials) * d)
    return unflat_rows(updates, gradients)


RECORD = Record(
    name="lbfgs",
    family="second order",
    papers=(
        Paper(
            "Liu & Nocedal",
            1989,
            "On the Limited Memory BFGS Method for Large Scale Optimization",
            "Mathematical Programming 45",
            "https://doi.org/10.1007/BF01589116",
        ),
        Paper(
            "Nocedal & Wright",
            2006,
            "Numerical Optimization, second edition",
            "Springer",
            "https://doi.org/10.1007/978-0-387-40065-5",
        ),
    ),
    make=LBFGS,
    twins=(
        Twin(
            "optax.lbfgs",
            optax,
            {
                "p": "params",
                "g": "updates",
                "s": "diff_params_memory",
                "y": "diff_updates_memory",
                "rho": "weights_memory",
                "gamma": latest_gamma,
                "count": stored,
            },
            note="memory_size is 10 and linesearch a zoom search by default; linesearch=None is line_search='fixed'.",
        ),
    ),
    no_twin={"torch": "torch.optim.LBFGS calls the loss itself, and makes up to 20 of these steps in one of its own"},
    settings=(
        {"learning_rate": 0.5, "line_search": "fixed"},
        {"learning_rate": 0.1, "memory_size": 3, "line_search": "fixed", "pairs": "all"},
        {"memory_size": 3, "line_search": "fixed", "pairs": "all", "scaled": False},
        # Few trials: along a curvature that is negative the search doubles the step as long as it may.
        {"trials": 6},
        {"learning_rate": 2.0, "wolfe": 0.1, "armijo": 1e-3, "trials": 8},
        {"line_search": "backtracking", "armijo": 0.3, "shrink": 0.8, "trials": 30},
    ),
    transcription=paper,
    ill_conditioned="1 / <s, y>, where <s, y> is a sum of terms of both signs, multiplies everything",
)
