"""The first named quantity of a formula in which two transformations differ at one step."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ..core import ArrayRule, RuleState, Transformation
from ..rules import record_of
from ._divergence import Comparison, told_apart
from ._explain import named
from ._modes import Mode
from ._run import rows, scan, start, step
from ._slips import part_of
from ._stream import Stream, extras
from ._twins import fields


def first_quantity(first: Any, second: Any, seen: Comparison, data: Stream, at: Mode) -> str:
    """In words, "v: 0.1 against 0.2 at step 1"; "" where the two show no common quantity.

    Ours show the local variables of their formula; another's transformation and a chain their state, by the names that
    the record of our rule gives for it, and else by our own.
    """
    assert seen.step is not None
    assert seen.leaf is not None
    assert seen.values is not None
    ours = [part_of(thing) for thing in (first, second) if part_of(thing) is not None]
    if not ours or not all(isinstance(thing, Transformation) for thing in (first, second)):  # a recording shows none
        return ""
    things = {"first": first, "second": second}
    with at():
        inputs, last = rows(data, at), seen.step - 1
        row, before = jax.tree.map(lambda x: x[last], inputs), jax.tree.map(lambda x: x[:last], inputs)
        states = start(things, inputs) if last == 0 else jax.jit(lambda head: scan(things, head)[0])(before)
        after = step(things, states, row)[0]
        a, b = (
            _formula(thing, states[k], row, seen.leaf)
            if part_of(thing) is thing
            else _state(after[k], ours[0], seen.leaf)
            for k, thing in things.items()
        )
    same = []
    for name in (name for name in a if name in b):
        x, y = np.asarray(a[name], np.float64), np.asarray(b[name], np.float64)
        if x.shape != y.shape or (x.shape and len(seen.index or ()) != x.ndim):
            continue
        size = np.max(np.abs(y), initial=np.finfo(at.dtype).tiny, where=np.isfinite(y))
        i = (seen.index or ()) if x.shape else ()
        if not abs(x[i] - y[i]) <= seen.tolerance * at.eps * size:
            return f"{name}: {told_apart(x[i], y[i])} at step {seen.step}"
        same.append(name)
    if not same:
        return ""
    rest = f"{', '.join(same)} {'agree' if len(same) > 1 else 'agrees'}"
    return f"the update itself: {told_apart(*seen.values)} at step {seen.step} ({rest})"


def _formula(rule: Any, state: Any, row: tuple, leaf: str) -> dict[str, np.ndarray]:
    """The quantities of one update of ours: of this leaf alone where the formula is for one array."""
    if isinstance(rule, ArrayRule) and isinstance(state, RuleState):
        only = lambda tree: {leaf: tree[leaf]}  # noqa: E731
        value, g, p, h, key = row
        row = (value, only(g), only(p), only(h), key)
        if state.memory != ():
            memory = type(state.memory)(*(None if field is None else only(field) for field in state.memory))
            state = RuleState(state.step, memory)
    return named(rule, row[1], state, row[2], extras(*row), leaf)


def _state(state: Any, ours: Any, leaf: str) -> dict[str, np.ndarray]:
    """What another's state shows of our rule's memory after the update, for one leaf."""
    found, known = {}, record_of(ours)
    twins = () if known is None else known.twins
    for name in getattr(getattr(type(ours), "Memory", None), "_fields", ()):
        for source in (*(twin.memory[name] for twin in twins if name in twin.memory), name):
            try:
                tree = (
                    source(lambda field: find(state, field), fields(ours)) if callable(source) else find(state, source)
                )
            except (TypeError, AttributeError, KeyError):  # a field that this state has not
                continue
            x = tree.get(leaf) if isinstance(tree, dict) else tree
            if isinstance(x, (np.ndarray, jax.Array)):
                found[name] = np.asarray(x)
                break
    return found


def find(state: Any, name: str) -> Any:
    """The first field, attribute or key called `name` anywhere in a state of tuples and dictionaries; None without one."""
    if hasattr(state, "_asdict"):
        state = state._asdict()
    if isinstance(state, Mapping):
        if name in state:
            return state[name]
        state = tuple(state.values())
    if isinstance(state, (tuple, list)):
        return next((x for x in (find(part, name) for part in state) if x is not None), None)
    return None
