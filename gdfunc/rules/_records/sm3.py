import jax
import jax.numpy as jnp
import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._sm3 import SM3
from ._common import TORCH_HAS_NONE


def optax(learning_rate, momentum, eps):
    if eps != 1e-8:
        return "optax.sm3 has eps=1e-8"
    return {"learning_rate": learning_rate, "momentum": momentum or 0.0}


def end_to_end(get, fields):
    """Optax keeps a list of the axes' maxima for each parameter."""
    return jax.tree.map(jnp.concatenate, get("mu"), is_leaf=lambda x: isinstance(x, list))


def paper(gradients, params, learning_rate, momentum, eps):
    shape = gradients.shape[1:] or (1,)
    slices = [(axis, index) for axis, size in enumerate(shape) for index in range(size)]
    mu, average, updates = dict.fromkeys(slices, 0.0), np.zeros(shape), []
    for g in gradients:
        g, w, highest = g.reshape(shape), np.zeros(shape), dict.fromkeys(slices, 0.0)
        for i in np.ndindex(*shape):
            nu = min(mu[r] for r in enumerate(i)) + g[i] ** 2
            w[i] = g[i] / np.sqrt(nu + eps) if nu > 0 else 0.0
            for r in enumerate(i):
                highest[r] = max(highest[r], nu)
        mu, beta = highest, momentum or 0.0
        average = beta * average + (1 - beta) * w
        updates.append(-learning_rate * average.reshape(gradients.shape[1:]))
    return np.stack(updates)


RECORD = Record(
    name="sm3",
    family="adaptive",
    papers=(
        Paper(
            "Anil et al.",
            2019,
            "Memory-Efficient Adaptive Optimization",
            "NeurIPS",
            "https://arxiv.org/abs/1901.11150",
        ),
    ),
    make=SM3,
    twins=(
        Twin(
            "optax.sm3",
            optax,
            {"mu": end_to_end, "m": "nu"},
            takes=lambda shape: len(shape) > 0,
            note="eps=1e-8; its default momentum is 0.9. A parameter of shape () raises IndexError there.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 0.1},
        {"learning_rate": 0.1, "momentum": 0.9, "eps": 1e-8},
        {"learning_rate": 0.01, "momentum": 0.5, "eps": 1e-3},
        {"learning_rate": 0.1, "eps": 1e-8},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.sm3",
            since="optax 0.2.8",
            what="a parameter of shape () raises IndexError",
            settings={"learning_rate": 0.5, "eps": 1e-8},
        ),
    ),
)
