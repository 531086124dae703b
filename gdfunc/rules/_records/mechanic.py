import numpy as np

from ...core import Paper, Record, Twin
from .._mechanic import Mechanic
from .._rmsprop import RMSprop
from .._sgd import SGD
from ._common import TORCH_HAS_NONE, inner_paper, not_in_optax


def optax(inner, weight_decay, eps, s_init, num_betas, delta):
    if delta == "kept":
        return "optax.contrib.mechanize recovers the path from the parameters"
    return not_in_optax(inner) or {
        "base_optimizer": inner,
        "weight_decay": weight_decay,
        "eps": eps,
        "s_init": s_init,
        "num_betas": num_betas,
    }


def paper(gradients, params, inner, weight_decay, eps, s_init, num_betas, delta):
    steps = len(next(iter(gradients.values())))
    flat = lambda tree: np.concatenate([x.reshape(steps, -1) for x in tree.values()], axis=1)  # noqa: E731
    g, x, u = flat(gradients), flat(params), flat(inner_paper(inner, gradients, params))
    beta = 1 - 0.1 ** np.arange(1.0, num_betas + 1)
    s, m, v, r = s_init * np.ones(num_betas), np.zeros(num_betas), np.zeros(num_betas), np.zeros(num_betas)
    moves, path = [], np.zeros_like(x[0])
    for t in range(steps):
        if delta == "recovered":
            path = (x[t] - x[0]) / (s.sum() + eps)
        decay = weight_decay * s.sum() * np.linalg.norm(g[t]) * x[t] / (np.linalg.norm(x[t]) + eps)
        loss = path @ (g[t] + decay)
        r = beta * r - s * np.clip(loss, -m, m)
        m = np.maximum(beta * m, abs(loss) + eps)
        v = beta**2 * v + loss**2
        wealth = s_init / num_betas * m + np.maximum(r, 0)
        s = wealth / (np.sqrt(v) + eps)
        path = path + u[t]
        moves.append(x[0] + s.sum() * path - x[t])
    moves, updates, at = np.stack(moves), {}, 0
    for leaf, each in gradients.items():
        size = each[0].size
        updates[leaf] = moves[:, at : at + size].reshape(each.shape)
        at += size
    return updates


RECORD = Record(
    name="mechanic",
    family="around rules",
    papers=(
        Paper(
            "Cutkosky, Defazio & Mehta",
            2023,
            "Mechanic: A Learning Rate Tuner",
            "NeurIPS",
            "https://arxiv.org/abs/2306.00144",
        ),
    ),
    make=Mechanic,
    twins=(
        Twin(
            "optax.contrib.mechanize",
            optax,
            {"start": "x0", "s": "s", "m": "m", "v": "v", "r": "r"},
            note="It is delta='recovered', and its s_init is 1e-6.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"inner": SGD(1.0)},
        {"inner": SGD(1.0, momentum=0.9), "s_init": 0.3, "delta": "recovered"},
        {
            "inner": RMSprop(0.1),
            "s_init": 0.1,
            "weight_decay": 0.1,
            "eps": 1e-4,
            "num_betas": 3,
            "delta": "recovered",
        },
        {"inner": RMSprop(0.1), "s_init": 0.1, "weight_decay": 0.1, "num_betas": 3},
    ),
    transcription=paper,
)
