"""Whether a rate is too high or too low: a few updates on one batch."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import Rule, Tree, apply_updates, call_update, leaf_paths, objective, safe_norm
from ._finding import Finding, Remedy

STEPS = 5
HIGH, LOW = 0.1, 1e-4
SOURCE = "updates between 1e-4 and 1e-1 of the weights (TheDeepChecker, Ben Braiek & Khomh 2023); docs/diagnosis.md"


class Start(NamedTuple):
    """The first updates: the loss before each and after the last, and the largest ratio of update to weights."""

    losses: np.ndarray  # (steps + 1,)
    ratio: float


def starter(loss_fn: Callable, weights: frozenset[str], steps: int) -> Callable[..., Start]:
    """(rule, params, batch) -> `Start`: makes `steps` updates on the same batch; compiled once for all rates.

    Args:
        loss_fn: (params, batch) -> loss.
        weights: the paths of the parameters whose updates are measured.
        steps: how many.
    """

    def run(rule: Any, params: Tree, batch: Tree) -> tuple[Array, Array]:
        value_fn = lambda p: loss_fn(p, batch)  # noqa: E731

        def step(carry: tuple, key: Array) -> tuple[tuple, tuple]:
            params, state = carry
            loss, grads = jax.value_and_grad(value_fn)(params)
            extra = {"value": loss, "grad": grads, "value_fn": objective(value_fn), "obj_fn": value_fn, "key": key}
            updates, state = call_update(rule, grads, state, params, {**extra, "grad_fn": jax.grad(value_fn)})
            leaves = zip(leaf_paths(params), jax.tree.leaves(updates), jax.tree.leaves(params), strict=True)
            sizes = [(safe_norm(u), safe_norm(p)) for path, u, p in leaves if path in weights]
            # Weights that start at 0 have no size to compare with.
            ratios = [jnp.where(p > 0, u / jnp.where(p > 0, p, 1), 0) for u, p in sizes]
            return (apply_updates(params, updates), state), (loss, jnp.max(jnp.stack(ratios)))

        keys = jax.random.split(jax.random.key(0), steps)
        (after, _), (losses, ratios) = jax.lax.scan(step, (params, rule.init(params)), keys)
        return jnp.append(losses, value_fn(after)), jnp.max(ratios)

    compiled = jax.jit(run)

    def start(rule: Any, params: Tree, batch: Tree) -> Start:
        losses, ratio = (
            compiled(rule, params, batch) if isinstance(rule, Rule) else jax.jit(partial(run, rule))(params, batch)
        )
        return Start(np.asarray(losses, np.float64), float(ratio))

    return start


def rates(
    loss_fn: Callable, params: Tree, batch: Tree, rule: Any, steps: int, weights: frozenset[str], remedies: bool
) -> Iterator[Finding]:
    """A finding where the rule's first updates are too large or too small, with other rates tried."""
    start = starter(loss_fn, weights, max(steps, STEPS))
    first = start(rule, params, batch)
    rises = not np.all(np.isfinite(first.losses)) or first.losses[-1] > 1.5 * first.losses[0]
    if not (first.ratio < HIGH) or rises:
        kind, threshold = "rate_too_high", HIGH
    elif first.ratio < LOW:
        kind, threshold = "rate_too_low", LOW
    else:
        return
    statement = f"the largest of the first updates is {first.ratio:.3g} of its weights"
    if rises:
        statement += f", and the loss goes from {first.losses[0]:.3g} to {first.losses[-1]:.3g}"
    tried = []
    rate = getattr(rule, "learning_rate", None)
    if remedies and isinstance(rule, Rule) and isinstance(rate, float):
        for factor in (0.3, 0.1, 0.01) if kind == "rate_too_high" else (10.0, 100.0, 1000.0, 10_000.0):
            after = start(dataclasses.replace(cast(Any, rule), learning_rate=rate * factor), params, batch)
            helps = LOW < after.ratio < HIGH and bool(after.losses[-1] < first.losses[0])
            tried.append(Remedy(f"learning_rate={rate * factor:.3g}", first.ratio, after.ratio, helps))
    tried.sort(key=lambda remedy: not remedy.helps)
    yield Finding(kind, "", statement, first.ratio, threshold, "of the weights", SOURCE, tuple(tried))
