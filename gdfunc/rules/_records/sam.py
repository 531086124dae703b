from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ...core import Deviation, Paper, Record, Twin, tree_norm, tree_scale
from .._rmsprop import RMSprop
from .._sam import SAM
from .._sgd import SGD
from ._common import TORCH_HAS_NONE, inner_paper, not_in_optax


def optax(inner, rho):
    return not_in_optax(inner) or {"optimizer": inner, "rho": rho}


class Pair(NamedTuple):
    init: Any
    update: Any


def opaque(twin, optimizer, rho):
    """Optax's with one step uphill inside, by an adversary that stays where the gradient is zero: its own gives NaN."""

    def uphill(grads, state, params=None):
        norm = tree_norm(grads)
        return tree_scale(-rho / jnp.where(norm > 0, norm, 1), grads), state

    theirs = twin(optimizer, Pair(lambda params: (), uphill), sync_period=2, opaque_mode=True)

    def update(grads, state, params, *, grad_fn, **_):
        return theirs.update(grads, state, params, grad_fn=lambda q, i: grad_fn(q))

    return Pair(theirs.init, update)


def paper(gradients, params, inner, rho, data):
    norm = np.sqrt(sum(np.sum(g**2, axis=tuple(range(1, g.ndim))) for g in gradients.values()))
    uphill = {}
    for leaf, g in gradients.items():
        length = np.where(norm == 0, 1, norm).reshape(-1, *[1] * (g.ndim - 1))
        uphill[leaf] = g + data.curvatures[leaf] * rho * g / length
    return inner_paper(inner, uphill, params)


RECORD = Record(
    name="sam",
    family="around rules",
    papers=(
        Paper(
            "Foret, Kleiner, Mobahi & Neyshabur",
            2021,
            "Sharpness-Aware Minimization for Efficiently Improving Generalization",
            "ICLR",
            "https://arxiv.org/abs/2010.01412",
        ),
    ),
    make=SAM,
    twins=(
        Twin(
            "optax.contrib.sam",
            optax,
            call=opaque,
            note="SAM(inner, rho) is sam(inner, chain(normalize(), sgd(rho)), opaque_mode=True) there; its normalize() "
            "gives NaN at a zero gradient.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"inner": SGD(0.1)},
        {"inner": RMSprop(0.01), "rho": 0.5},
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.contrib.sam",
            since="optax 0.2.8",
            what="at a zero gradient its ascent, by optax.contrib.normalize(), is NaN: it divides by the norm",
            settings={"inner": SGD(0.5)},
            thread="https://github.com/google-deepmind/optax/pull/1743",
        ),
    ),
)
