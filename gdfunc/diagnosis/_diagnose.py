"""`diagnose`: what is wrong with a network, in which layer, on what evidence, and what mends it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..core import Tree, tree_all_finite
from ..instruments import find_nonfinite, look_at
from ._evidence import gather
from ._finding import Diagnosis, Finding
from ._rates import rates
from ._remedies import with_remedies
from ._rules import examine, rows_as_dicts


def diagnose(
    loss_fn: Callable[..., Any],
    params: Tree,
    batch: Tree,
    rule: Any = None,
    steps: int = 0,
    *,
    key: int | jax.Array = 0,
    remedies: bool = True,
) -> Diagnosis:
    """Looks at one batch, forward and back, and says which layer is at fault, on what evidence, and what mends it.

    Thresholds are ratios, most of them across depth, so that the sizes of loss and weights do not matter. Each remedy that
    can be tried on the network as it is (weights drawn anew, weights scaled, inputs standardised, another rate) is tried,
    and its effect on the finding's own number is given; those that helped come first. Where no finding is made, the network
    may still be wrong in ways that one batch does not show.

    Args:
        loss_fn: (params, batch) -> loss, a real scalar; any pure JAX function.
        params: a pytree of real floating-point arrays.
        batch: what the loss takes.
        rule: an update rule, ours or another library's; with it the first updates are judged too.
        steps: how many updates are made to judge the rule, 20 or more.
        key: for weights that are drawn anew.
        remedies: whether remedies are looked for and tried; without them it takes less time.

    Returns:
        The `Diagnosis`; `print` it, or take `.findings`.

    Raises:
        ValueError: where the loss is no scalar, the parameters are none, or no parameter meets the data.
    """
    key = jax.random.key(key) if isinstance(key, int) else key
    look, unseen, unused = look_at("diagnose", loss_fn, params, batch)
    seen = gather(look, params, batch)
    if not np.isfinite(seen.loss) or not tree_all_finite(seen.grads):
        broken = find_nonfinite(loss_fn, params, batch)
        return Diagnosis(() if broken is None else (_nonfinite(broken),), rows_as_dicts(seen.rows), unseen)
    found = [_unused(path) for path in unused] + examine(seen)
    if remedies:
        found = with_remedies(found, seen, look, params, batch, key)
    if rule is not None and not found:  # a rate is judged where nothing else explains its updates
        weights = frozenset(path for layer in seen.layers for path in layer.weights)
        found += rates(loss_fn, params, batch, rule, steps, weights, remedies)
    return Diagnosis(tuple(found), rows_as_dicts(seen.rows), unseen)


def _nonfinite(broken: Any) -> Finding:
    return Finding(
        "nonfinite",
        broken.layer,
        str(broken),
        float(broken.count),
        0.0,
        "entries",
        "a loss and its gradient have to be finite",
    )


def _unused(path: str) -> Finding:
    return Finding(
        "unused_data",
        path,
        "the loss does not depend on this array of the batch",
        0.0,
        0.0,
        "operations",
        "labels that the loss does not look at cannot be learned",
    )
