import jax.numpy as jnp
import numpy as np

from ...core import Paper, Record, Twin
from .._lbfgs import LBFGS
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
        phi = lambda a, d=d, g=g, c=data.values[t], h=hs[t]: c + a * (g @ d) + a**2 * (d @ (h * d)) / 2  # noqa: E731
        slope = lambda a, d=d, g=g, h=hs[t]: g @ d + a * (d @ (h * d))  # noqa: E731
        search = _backtracking if line_search == "backtracking" else _wolfe
        updates.append(search(phi, slope, learning_rate, armijo, wolfe, shrink, trials) * d)
    return unflat_rows(updates, gradients)


def _backtracking(phi, slope, first, c1, c2, shrink, trials):
    for k in range(trials):
        a = first * shrink**k
        if phi(a) <= phi(0) + c1 * a * slope(0):
            return a
    return 0.0


def _wolfe(phi, slope, first, c1, c2, shrink, trials):
    """Nocedal & Wright 2006, algorithm 3.5."""
    before, a = 0.0, first
    for i in range(trials):
        left = trials - i - 1
        if phi(a) > phi(0) + c1 * a * slope(0) or (phi(a) >= phi(before) and i > 0):
            return _zoom(phi, slope, before, a, c1, c2, left)
        if abs(slope(a)) <= -c2 * slope(0):
            return a
        if slope(a) >= 0:
            return _zoom(phi, slope, a, before, c1, c2, left)
        before, a = a, 2 * a
    return before


def _zoom(phi, slope, low, high, c1, c2, trials):
    """Nocedal & Wright 2006, algorithm 3.6, on a parabola: its minimum is where the slope, a line, is 0."""
    for _ in range(trials):
        a = low - slope(low) * (high - low) / (slope(high) - slope(low))
        share = np.clip((a - low) / (high - low), 0.1, 0.9) if np.isfinite(a) else 0.5
        if (slope(high) - slope(low)) * (high - low) < 0:  # a maximum; the cubic has its minimum at infinity
            share = 0.5
        a = low + share * (high - low)
        if phi(a) > phi(0) + c1 * a * slope(0) or phi(a) >= phi(low):
            high = a
            continue
        if abs(slope(a)) <= -c2 * slope(0):
            return a
        if slope(a) * (high - low) >= 0:
            high = low
        low = a
    return low


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
