from typing import Any, NamedTuple

import jax
import numpy as np

from ...core import Paper, Record, Twin, apply_updates
from .._lookahead import Lookahead
from .._rmsprop import RMSprop
from .._sgd import SGD
from ._common import TORCH_HAS_NONE, inner_paper, not_in_optax


def optax(inner, sync_period, slow_step_size, reset_state):
    return not_in_optax(inner) or {
        "fast_optimizer": inner,
        "sync_period": sync_period,
        "slow_step_size": slow_step_size,
        "reset_state": reset_state,
    }


class Pair(NamedTuple):
    """What `optax.lookahead` expects as parameters; the names are all that it asks for."""

    fast: Any
    slow: Any


class Kept(NamedTuple):
    slow: Any
    theirs: Any


class OnPlainParams(NamedTuple):
    init: Any
    update: Any


def on_plain_params(twin, **arguments):
    """Optax's with the slow weights in its state, where ours are, instead of among the parameters."""
    theirs = twin(**arguments)

    def init(params):
        return Kept(jax.tree.map(lambda p: p.copy(), params), theirs.init(Pair(params, params)))

    def update(grads, state, params):
        updates, inner = theirs.update(grads, state.theirs, Pair(params, state.slow))
        return updates.fast, Kept(apply_updates(state.slow, updates.slow), inner)

    return OnPlainParams(init, update)


def paper(gradients, params, inner, sync_period, slow_step_size, reset_state):
    steps = len(next(iter(gradients.values())))
    blocks = [slice(t, t + sync_period) for t in range(0, steps, sync_period)] if reset_state else [slice(None)]
    cut = lambda tree, block: {leaf: x[block] for leaf, x in tree.items()}  # noqa: E731
    parts = [inner_paper(inner, cut(gradients, block), cut(params, block)) for block in blocks]
    updates = {leaf: np.concatenate([part[leaf] for part in parts]) for leaf in gradients}
    for leaf, u in updates.items():
        theta, phi = params[leaf], params[leaf][0]
        for t in range(sync_period - 1, steps, sync_period):
            phi = phi + slow_step_size * (theta[t] + u[t] - phi)
            u[t] = phi - theta[t]
    return updates


RECORD = Record(
    name="lookahead",
    family="around rules",
    papers=(
        Paper(
            "Zhang, Lucas, Hinton & Ba",
            2019,
            "Lookahead Optimizer: k steps forward, 1 step back",
            "NeurIPS",
            "https://arxiv.org/abs/1907.08610",
        ),
    ),
    make=Lookahead,
    twins=(
        Twin(
            "optax.lookahead",
            optax,
            {"slow": "slow"},
            call=on_plain_params,
            note="It works on parameters LookaheadParams(fast, slow), of which the updates move both; here the slow ones "
            "are in the state, and the parameters are the fast ones as they are.",
        ),
    ),
    no_twin={"torch": TORCH_HAS_NONE},
    settings=(
        {"inner": RMSprop(0.01)},
        {"inner": SGD(1.0, momentum=0.9), "sync_period": 6, "slow_step_size": 0.8},
        {"inner": SGD(1.0, momentum=0.9), "sync_period": 3, "reset_state": True},
    ),
    transcription=paper,
)
