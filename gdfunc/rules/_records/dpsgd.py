import warnings
from typing import Any, NamedTuple

import jax
import numpy as np

from ...core import Paper, Record, Twin
from .._dpsgd import DPSGD


def optax(learning_rate, max_norm, noise_multiplier):
    if noise_multiplier != 0:
        return "optax.contrib.dpsgd draws from a key in its state, whose numbers are others"
    return {
        "learning_rate": learning_rate,
        "l2_norm_clip": max_norm,
        "noise_multiplier": noise_multiplier,
        "seed": 0,
    }


class OnExamples(NamedTuple):
    """Optax's takes the gradients of each example in the place of the gradient."""

    init: Any
    update: Any


def on_examples(twin, **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it warns of its own use of seed
        theirs = twin(**arguments)
    return OnExamples(
        theirs.init, lambda g, state, p=None, *, per_example_grads, **_: theirs.update(per_example_grads, state)
    )


def paper(gradients, params, learning_rate, max_norm, noise_multiplier, data):
    updates = {leaf: [] for leaf in gradients}
    for t, step_key in enumerate(data.keys()):
        examples = [{leaf: share * g[t] for leaf, g in gradients.items()} for share in (0.5, 1.5, -1.0, 3.0)]
        norms = [np.sqrt(sum(np.sum(g**2) for g in example.values())) for example in examples]
        keys = jax.random.split(step_key, len(gradients))
        for key, leaf in zip(keys, sorted(gradients), strict=True):
            clipped = [example[leaf] / max(1, norm / max_norm) for example, norm in zip(examples, norms, strict=True)]
            xi = np.asarray(jax.random.normal(key, gradients[leaf][t].shape, np.float32), np.float64)
            lot = (sum(clipped) + noise_multiplier * max_norm * xi) / len(examples)
            updates[leaf].append(-learning_rate * lot)
    return {leaf: np.stack(rows) for leaf, rows in updates.items()}


RECORD = Record(
    name="dpsgd",
    family="privacy",
    papers=(
        Paper(
            "Abadi et al.", 2016, "Deep Learning with Differential Privacy", "CCS", "https://arxiv.org/abs/1607.00133"
        ),
    ),
    make=DPSGD,
    twins=(
        Twin(
            "optax.contrib.dpsgd",
            optax,
            call=on_examples,
            note="It takes the gradients of each example where others take the gradient, keeps a key in its state, and "
            "has momentum, of which the paper's has none.",
        ),
    ),
    no_twin={"torch": "torch has none; Opacus wraps its optimizers"},
    settings=(
        {"learning_rate": 0.1, "max_norm": 2.0, "noise_multiplier": 3.0},
        {"learning_rate": 0.1, "max_norm": 1.0, "noise_multiplier": 0.0},
        {"learning_rate": 0.5, "max_norm": 30.0, "noise_multiplier": 0.0},
    ),
    transcription=paper,
    zero_gradient_moves=lambda noise_multiplier, **_: bool(noise_multiplier),
)
