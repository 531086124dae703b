import inspect
from functools import partial

import numpy as np

from ...core import Paper, Record, Twin
from .._rmsprop import RMSprop
from .._sgd import SGD
from .._skip_large import SkipLarge
from ._common import inner_paper, not_in_optax


def optax(inner, max_norm):
    return not_in_optax(inner) or {"opt": inner, "max_squared_norm": max_norm**2}


def inside_multi_steps(twin, opt, max_squared_norm):
    """`optax.skip_large_updates` judges for `optax.MultiSteps`, which stands beside it."""
    multi_steps = vars(inspect.getmodule(twin))["MultiSteps"]
    return multi_steps(opt, 1, should_skip_update_fn=partial(twin, max_squared_norm=max_squared_norm))


def paper(gradients, params, inner, max_norm):
    squares = [np.sum(g**2, axis=tuple(range(1, g.ndim))) for g in gradients.values()]
    kept = np.sqrt(sum(squares)) <= max_norm
    updates = {leaf: np.zeros_like(g) for leaf, g in gradients.items()}
    some = lambda tree: {leaf: x[kept] for leaf, x in tree.items()}  # noqa: E731
    for leaf, u in inner_paper(inner, some(gradients), some(params)).items():
        updates[leaf][kept] = u
    return updates


RECORD = Record(
    name="skip_large",
    family="around rules",
    papers=(
        Paper(
            "Chowdhery et al.",
            2022,
            "PaLM: Scaling Language Modeling with Pathways",
            "arXiv",
            "https://arxiv.org/abs/2204.02311",
        ),
    ),
    make=SkipLarge,
    twins=(
        Twin(
            "optax.skip_large_updates",
            optax,
            call=inside_multi_steps,
            note="An argument of optax.MultiSteps; it takes the square of the norm.",
        ),
    ),
    no_twin={"torch": "torch.nn.utils.clip_grad_norm_ returns the norm, by which one may leave out step()"},
    settings=(
        {"inner": RMSprop(0.01), "max_norm": 10.0},
        {"inner": SGD(0.1, momentum=0.9), "max_norm": 5.0},
    ),
    transcription=paper,
)
