import jax
import jax.numpy as jnp
import numpy as np

from ...core import Paper, Record, Twin
from .._lars import LARS
from ._common import TORCH_HAS_NONE


def optax(learning_rate, momentum, weight_decay, trust_coefficient, eps, norm_of):
    if norm_of == "parts":
        return "optax.lars measures the weights against the norm of the sum: norm_of='sum'"
    return {
        "learning_rate": learning_rate,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "trust_coefficient": trust_coefficient,
        "eps": eps,
    }


def velocity(get, fields):
    """optax.trace gathers the negative steps."""
    return jax.tree.map(jnp.negative, get("trace"))


def paper(gradients, params, learning_rate, momentum, weight_decay, trust_coefficient):
    v, updates = np.zeros_like(gradients[0]), []
    norm = lambda x: np.sqrt(np.sum(x**2))  # noqa: E731
    for g, w in zip(gradients, params, strict=True):
        local = trust_coefficient * norm(w) / (norm(g) + weight_decay * norm(w)) if norm(g) > 0 or weight_decay else 1.0
        v = momentum * v + learning_rate * local * (g + weight_decay * w)
        updates.append(-v)
    return np.stack(updates)


RECORD = Record(
    name="lars",
    family="layer-wise",
    papers=(
        Paper(
            "You, Gitman & Ginsburg",
            2017,
            "Large Batch Training of Convolutional Networks",
            "arXiv",
            "https://arxiv.org/abs/1708.03888",
        ),
    ),
    make=LARS,
    twins=(
        Twin(
            "optax.lars",
            optax,
            {"b": velocity},
            note="norm_of='sum'; its default weight_decay is 0, ours the paper's 5e-4. nesterov=True has no equivalent.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"learning_rate": 1.0},
        {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.5, "trust_coefficient": 0.02},
        {"learning_rate": 1.0, "norm_of": "sum"},
        {
            "learning_rate": 0.1,
            "momentum": 0.5,
            "weight_decay": 0.5,
            "trust_coefficient": 0.02,
            "eps": 1e-3,
            "norm_of": "sum",
        },
        {"learning_rate": 0.1, "weight_decay": 0.0, "norm_of": "sum"},
    ),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay, **_: bool(weight_decay),
)
