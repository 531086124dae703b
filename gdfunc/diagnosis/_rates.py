"""Whether a rate is too high or too low: a few updates on one batch."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import Rule, Tree, apply_updates, call_update, leaf_paths, objective, tree_norm
from ._finding import Finding, Losses, Remedy

STEPS = 20  # a momentum of 0.9 has its full effect after 10
HIGH, LOW = 0.1, 1e-4
# A new Adam lifts the loss of a network that has learned its batch: a rise counts where the updates are no small ones.
RISE, RISE_AT = 1.5, 0.03
FALL = 0.01  # where a network has learned, the updates are small, and the loss falls still
SOURCE = "updates between 1e-4 and 1e-1 of the weights (TheDeepChecker, Ben Braiek & Khomh 2023); docs/diagnosis.md"


class Start(NamedTuple):
    """The first updates: the loss before each and after the last, and the largest ratio of an update to all weights."""

    losses: np.ndarray  # (steps + 1,)
    ratio: float
    rises: bool  # whether the updates grow from step to step: a rate that warms up

    @property
    def ends(self) -> Losses:
        """The first loss and the last."""
        return float(self.losses[0]), float(self.losses[-1])


def starter(loss_fn: Callable, weights: frozenset[str], steps: int) -> Callable[..., Start]:
    """(rule, params, batch) -> `Start`: makes `steps` updates on the same batch; compiled once for all rates.

    Args:
        loss_fn: (params, batch) -> loss.
        weights: the paths of the parameters whose updates are measured.
        steps: how many.
    """

    def run(rule: Any, params: Tree, batch: Tree) -> tuple[Array, Array, Array]:
        value_fn = lambda p: loss_fn(p, batch)  # noqa: E731

        def step(carry: tuple, key: Array) -> tuple[tuple, tuple]:
            params, state = carry
            loss, grads = jax.value_and_grad(value_fn)(params)
            extra = {"value": loss, "grad": grads, "value_fn": objective(value_fn), "obj_fn": value_fn, "key": key}
            updates, state = call_update(rule, grads, state, params, {**extra, "grad_fn": jax.grad(value_fn)})
            leaves = zip(leaf_paths(params), jax.tree.leaves(updates), jax.tree.leaves(params), strict=True)
            # Of all weights together: a layer that starts at 0, or small, has no size of its own to compare with.
            u, p = zip(*[(u, p) for path, u, p in leaves if path in weights], strict=True)
            return (apply_updates(params, updates), state), (loss, tree_norm(u), tree_norm(p))

        keys = jax.random.split(jax.random.key(0), steps)
        (after, _), (losses, u, p) = jax.lax.scan(step, (params, rule.init(params)), keys)
        # Where all weights start at 0 they have no size but that which they come to.
        size = jnp.where(p[0] > 0, p, jnp.max(p))
        return jnp.append(losses, value_fn(after)), jnp.max(u / jnp.maximum(size, 1e-30)), u[-1] > 1.5 * u[steps // 2]

    compiled = jax.jit(run)

    def start(rule: Any, params: Tree, batch: Tree) -> Start:
        losses, ratio, rises = (
            compiled(rule, params, batch) if isinstance(rule, Rule) else jax.jit(partial(run, rule))(params, batch)
        )
        return Start(np.asarray(losses, np.float64), float(ratio), bool(rises))

    return start


def rates(
    loss_fn: Callable, params: Tree, batch: Tree, rule: Any, steps: int, weights: frozenset[str], remedies: bool
) -> Iterator[Finding]:
    """A finding where the rule's first updates are too large or too small, with other rates tried."""
    start = starter(loss_fn, weights, max(steps, STEPS))
    first = start(rule, params, batch)
    before, top, after = first.losses[0], np.max(first.losses), first.losses[-1]
    rises = not np.isfinite(top) or (top > before + (RISE - 1) * abs(before) and first.ratio > RISE_AT)
    if not (first.ratio < HIGH) or rises:
        kind, threshold = "rate_too_high", RISE_AT if first.ratio < HIGH else HIGH
    elif first.ratio < LOW and not first.rises and before - after < FALL * abs(before):
        kind, threshold = "rate_too_low", LOW
    else:
        return
    statement = f"the largest of the first updates is {first.ratio:.3g} of the weights"
    if rises:
        statement += f", and the loss goes from {before:.3g} up to {top:.3g}"
    tried = []
    rate = getattr(rule, "learning_rate", None)
    if remedies and isinstance(rule, Rule) and isinstance(rate, float):
        for factor in (0.3, 0.1, 0.01) if kind == "rate_too_high" else (10.0, 100.0, 1000.0, 10_000.0):
            other = start(dataclasses.replace(cast(Any, rule), learning_rate=rate * factor), params, batch)
            helps = LOW < other.ratio < HIGH and bool(other.losses[-1] < before)
            name = f"learning_rate={rate * factor:.3g}"
            tried.append(Remedy(name, first.ratio, other.ratio, helps, other.ends))
    tried.sort(key=lambda remedy: not remedy.helps)
    if remedies and not tried:
        tried.append(Remedy(f"a {'lower' if kind == 'rate_too_high' else 'higher'} learning rate", first.ratio))
    yield Finding(kind, "", statement, first.ratio, threshold, "of the weights", SOURCE, tuple(tried), first.ends)
