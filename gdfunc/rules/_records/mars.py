import numpy as np

from ...core import Paper, Record
from .._mars import MARS
from ._common import TORCH_HAS_NONE, one_minus_power
from ._whole_tree import rows, stacked


def paper(gradients, params, data, learning_rate, b1, b2, gamma, eps, max_norm, weight_decay, change):
    gs, xs, hs, updates = rows(gradients), rows(params), rows(data.curvatures), []
    m, v = ({leaf: np.zeros_like(x) for leaf, x in xs[0].items()} for _ in range(2))
    for t, (g, x, h) in enumerate(zip(gs, xs, hs, strict=True), 1):
        u = {}
        for leaf in g:
            c = g[leaf]
            if t > 1:
                # This batch's gradient at the last parameters, or the last batch's there.
                exact = g[leaf] + h[leaf] * (xs[t - 2][leaf] - x[leaf])
                last = exact if change == "exact" else gs[t - 2][leaf]
                c = c + gamma * b1 / (1 - b1) * (g[leaf] - last)
            norm = np.linalg.norm(np.ravel(c)) / max_norm
            c = c / norm if norm > 1 else c
            m[leaf] = b1 * m[leaf] + (1 - b1) * c
            v[leaf] = b2 * v[leaf] + (1 - b2) * c**2
            m_hat, v_hat = m[leaf] / one_minus_power(b1, t), v[leaf] / one_minus_power(b2, t)
            u[leaf] = -learning_rate * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * x[leaf])
        updates.append(u)
    return stacked(updates)


RECORD = Record(
    name="mars",
    family="variance reduction",
    papers=(
        Paper(
            "Yuan, Liu, Wu, Zhou & Gu",
            2024,
            "MARS: Unleashing the Power of Variance Reduction for Training Large Models",
            "arXiv",
            "https://arxiv.org/abs/2411.10438",
        ),
    ),
    make=MARS,
    no_twin={"optax": "optax 0.2.8 has none; see its pull request 1689", "torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 3e-3},
        {"learning_rate": 3e-3, "gamma": 0.5, "change": "exact", "weight_decay": 0.1},
        {"learning_rate": 0.1, "b1": 0.8, "b2": 0.9, "gamma": 1.0, "eps": 1e-3, "max_norm": 5.0},
        {"learning_rate": 3e-3, "debias": "power"},
    ),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
