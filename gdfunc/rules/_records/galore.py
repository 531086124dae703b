import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._galore import GaLore
from ._common import TORCH_HAS_NONE, one_minus_power


def optax(learning_rate, rank, gap, scale, b1, b2, eps, project, signs, debias):
    if project != "longer":
        return "optax.contrib.galore projects the longer side"
    if signs != "platform":
        return "optax.contrib.galore takes the singular vectors' signs as they come"
    if debias == "none":
        return "optax.contrib.galore always corrects its averages"
    if (b1, b2, eps) != (0.9, 0.999, 1e-8):
        return "optax.contrib.galore takes other decays and eps in base_optimizer=optax.scale_by_adam(...) only"
    return {"learning_rate": learning_rate, "rank": rank, "update_proj_gap": gap, "scale": scale}


def paper(gradients, params, learning_rate, rank, gap, scale, b1, b2, eps, project):
    shape, updates, P = gradients[0].shape, [], None
    matrix = len(shape) == 2
    turned = matrix and shape[0] != shape[1] and (shape[0] < shape[1]) != (project == "shorter")
    M = V = 0.0
    for t, g in enumerate(gradients):
        G = g.T if turned else g
        if matrix and t % gap == 0:
            U, _, _ = np.linalg.svd(G, full_matrices=False)
            U = U[:, :rank]
            P = U if P is None else U * np.where((U * P).sum(axis=0) < 0, -1, 1)
        R = G if P is None else P.T @ G
        M = b1 * M + (1 - b1) * R
        V = b2 * V + (1 - b2) * R**2
        N = (M / one_minus_power(b1, t + 1)) / (np.sqrt(V / one_minus_power(b2, t + 1)) + eps)
        G_tilde = N if P is None else scale * P @ N
        updates.append(-learning_rate * (G_tilde.T if turned else G_tilde))
    return np.stack(updates)


RECORD = Record(
    name="galore",
    family="matrix",
    papers=(
        Paper(
            "Zhao et al.",
            2024,
            "GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection",
            "ICML",
            "https://arxiv.org/abs/2403.03507",
        ),
    ),
    make=GaLore,
    twins=(
        Twin(
            "optax.contrib.galore",
            optax,
            {"m": "mu", "v": "nu", "P": "projector"},
            note="Its defaults are project='longer', signs='platform' and scale=1; its weight_decay is a rule after "
            "this one.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.01, "rank": 2},
        {
            "learning_rate": 0.01,
            "rank": 2,
            "gap": 10,
            "scale": 1.0,
            "project": "longer",
            "signs": "platform",
            "debias": "power",
        },
        {"learning_rate": 0.1, "b1": 0.8, "b2": 0.9, "eps": 1e-3, "rank": 1, "gap": 5, "project": "longer"},
        {"learning_rate": 0.1, "b2": 0.99, "gap": 10},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.contrib.galore",
            since="optax 0.2.8",
            what="it computes the singular vectors in float32 for float64 gradients too",
            settings={"signs": "platform"},
            sizes={"float64": (9e7, 4.2e8)},
        ),
    ),
    ill_conditioned="singular vectors turn with rounding where two singular values are near",
)
