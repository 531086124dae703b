from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ...core import Deviation, Paper, Record, Twin, tree_norm, tree_scale
from .._rmsprop import RMSprop
from .._sam import SAM
from .._sgd import SGD
from ._common import TORCH_HAS_NONE, inner_paper, not_in_optax


def optax(inner, rho, adaptive, eta):
    if adaptive:
        return "optax.contrib.sam would need an adversarial optimizer that knows the parameters' sizes"
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


def paper(gradients, params, inner, rho, adaptive, eta, data):
    T = {leaf: np.abs(p) + eta if adaptive else np.ones_like(p) for leaf, p in params.items()}
    squares = [np.sum((T[leaf] * g) ** 2, axis=tuple(range(1, g.ndim))) for leaf, g in gradients.items()]
    norm = np.sqrt(sum(squares))
    uphill = {}
    for leaf, g in gradients.items():
        length = np.where(norm == 0, 1, norm).reshape(-1, *[1] * (g.ndim - 1))
        epsilon = rho * T[leaf] ** 2 * g / length
        uphill[leaf] = g + data.curvatures[leaf] * epsilon
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
        Paper(
            "Kwon, Kim, Park & Choi",
            2021,
            "ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep Neural Networks",
            "ICML",
            "https://arxiv.org/abs/2102.11600",
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
        {"inner": SGD(0.1, momentum=0.9), "rho": 0.5, "adaptive": True},
        {"inner": SGD(0.1, momentum=0.9), "rho": 2.0, "adaptive": True, "eta": 0.1},
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
