"""`diagnose`: what is wrong with a network, in which layer, on what evidence, and what mends it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..core import Rule, Transformation, Tree, leaf_paths, tree_all_finite
from ..instruments import find_nonfinite, look_at, trace
from ._evidence import gather
from ._finding import Diagnosis, Finding
from ._mismatch import loss_mismatch
from ._rates import rates
from ._remedies import trainer, with_remedies
from ._rules import examine, rows_as_dicts
from ._shattered import shattered_gradients


def diagnose(
    loss_fn: Callable[..., Any],
    params: Tree,
    batch: Tree,
    rule: Any = None,
    steps: int = 0,
    *,
    key: int | jax.Array = 0,
    remedies: bool = True,
    has_aux: bool = False,
) -> Diagnosis:
    """Looks at one batch, forward and back, and says which layer is at fault, on what evidence, and what mends it.

    Thresholds are ratios, most of them across depth, so that the sizes of loss and weights do not matter. Each remedy that
    can be tried on the network as it is (weights drawn anew, weights scaled, inputs standardised, another rate) is tried,
    and its effect on the finding's own number is given; those that helped come first. With a rule and `steps`, the loss
    before and after so many updates on the batch is given too, of the network as it is and under each remedy. Where no
    finding is made, the network may still be wrong in ways that one batch does not show.

    Args:
        loss_fn: (params, batch) -> loss, a real scalar; any pure JAX function.
        params: a pytree of real floating-point arrays.
        batch: what the loss takes.
        rule: an update rule, ours or another library's; with it the first updates are judged too.
        steps: how many updates a short training has; 0 for none. The rule itself is judged in 20 or more.
        key: for weights that are drawn anew.
        has_aux: whether loss_fn returns (loss, aux).
        remedies: whether remedies are looked for, tried and trained with; without them it takes less time.

    Returns:
        The `Diagnosis`; `print` it, or take `.findings`.

    Raises:
        ValueError: where the loss is no scalar, the parameters are none, no parameter meets the data, the batch is empty,
            the rule is none, or `steps` is no whole number.
    """
    _check(rule, steps, batch)
    key = jax.random.key(key) if isinstance(key, int) else key
    look, unseen, unused = look_at("diagnose", loss_fn, params, batch, has_aux)
    if has_aux:
        with_aux = loss_fn
        loss_fn = lambda p, b: with_aux(p, b)[0]  # noqa: E731
    seen = gather(look, params, batch)
    if not np.isfinite(seen.loss) or not tree_all_finite(seen.grads):
        broken = find_nonfinite(loss_fn, params, batch)
        return Diagnosis(() if broken is None else (_nonfinite(broken),), rows_as_dicts(seen.rows), unseen)
    traced = trace("diagnose", loss_fn, params, batch)
    weights = frozenset(path for layer in seen.layers for path in layer.weights)
    found = [_unused(path) for path in unused]
    found += _without_consequences([*loss_mismatch(traced, params, batch), *examine(seen)])
    train = trainer(loss_fn, rule, weights, steps) if rule is not None and steps > 0 else None
    if {each.kind for each in found} <= {"exploding", "vanishing", "rank_collapse"}:
        found += shattered_gradients(traced, seen.layers, params, batch, key if remedies else None, train)
    if remedies:
        found = with_remedies(found, seen, look, params, batch, key, train, clips=isinstance(rule, Rule))
    if rule is not None and not found:  # a rate is judged where nothing else explains its updates
        found += rates(loss_fn, params, batch, rule, steps, weights, remedies)
    return Diagnosis(tuple(found), rows_as_dicts(seen.rows), unseen)


def _check(rule: Any, steps: Any, batch: Tree) -> None:
    if rule is not None and (not isinstance(rule, Transformation) or isinstance(rule, type)):
        raise ValueError(f"diagnose needs a rule (an object with init and update), and was given {rule!r}")
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise ValueError(f"diagnose needs steps to be a whole number >= 0, and was given {steps!r}")
    for path, x in zip(leaf_paths(batch), jax.tree.leaves(batch), strict=True):
        if np.size(x) == 0:
            raise ValueError(f"diagnose needs examples in the batch, and was given shape {np.shape(x)} at {path!r}")


def _without_consequences(found: list[Finding]) -> list[Finding]:
    """Where the loss does not depend on the outputs at all, no parameter has a gradient."""
    mismatched = any(each.kind == "loss_mismatch" for each in found)
    return [each for each in found if not (mismatched and each.kind == "unreached_parameters")]


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
