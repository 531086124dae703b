import numpy as np

from ...core import Paper, Record
from .._trust_region_newton import TrustRegionNewton
from ._common import TORCH_HAS_NONE
from ._whole_tree import flat_rows, unflat_rows


def paper(gradients, params, data, radius, max_radius, accept, tolerance, power, cg_steps):
    """Steihaug's iteration, the edge found by the roots of a polynomial; of a quadratic loss the model foretells all."""
    updates = []
    for g, h, value in zip(flat_rows(gradients), flat_rows(data.curvatures), data.values, strict=True):
        model = lambda z, g=g, h=h: g @ z + z @ (h * z) / 2  # noqa: E731
        z, edge = _steihaug(g, h, radius, tolerance, power, cg_steps)
        if not np.any(z):
            updates.append(z)
            continue
        rho = (value - (value + model(z))) / -model(z)
        updates.append(z if rho > accept else 0 * z)
        if rho < 0.25:
            radius = radius / 4
        elif rho > 0.75 and edge:
            radius = min(2 * radius, max_radius)
    return unflat_rows(updates, gradients)


def _steihaug(g, h, radius, tolerance, power, cg_steps):
    """(z, whether it is at the edge)."""
    norm = np.linalg.norm(g)
    z, directions = np.zeros_like(g), []
    for _ in range(cg_steps):
        r = g + h * z
        if np.linalg.norm(r) <= min(tolerance, norm**power) * norm:
            break
        # Conjugate to all directions before, where the recurrence has it to the last alone.
        d = -r
        for e in directions * 2:
            d = d - e * (e @ (h * d)) / (e @ (h * e))
        curvature = d @ (h * d)
        step = -(r @ d) / curvature
        if curvature <= 0 or np.linalg.norm(z + step * d) >= radius:
            return z + np.max(np.roots([d @ d, 2 * (z @ d), z @ z - radius**2]).real) * d, True
        z, directions = z + step * d, [*directions, d]
    return z, False


RECORD = Record(
    name="trust_region_newton",
    family="second order",
    papers=(
        Paper(
            "Steihaug",
            1983,
            "The Conjugate Gradient Method and Trust Regions in Large Scale Optimization",
            "SIAM Journal on Numerical Analysis 20(3)",
            "https://doi.org/10.1137/0720042",
        ),
        Paper(
            "Nocedal & Wright",
            2006,
            "Numerical Optimization, second edition",
            "Springer",
            "https://doi.org/10.1007/978-0-387-40065-5",
        ),
        Paper(
            "Conn, Gould & Toint",
            2000,
            "Trust-Region Methods",
            "SIAM",
            "https://doi.org/10.1137/1.9780898719857",
        ),
    ),
    make=TrustRegionNewton,
    no_twin={"optax": "optax 0.2.8 has no such rule", "torch": TORCH_HAS_NONE},
    settings=(
        {"radius": 0.25, "max_radius": 1.5, "tolerance": 0.1, "cg_steps": 4},
        {"radius": 0.1, "max_radius": 0.3, "accept": 0.2, "power": 0.5},
        {"radius": 20.0, "tolerance": 0.3, "cg_steps": 5},
    ),
    transcription=paper,
    ill_conditioned="conjugate gradients lose their conjugacy to rounding, and a fall is the difference of two losses",
)
