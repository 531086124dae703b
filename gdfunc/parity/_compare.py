"""Are two update rules the same, and if not, where do they part, and why?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..core import Transformation
from ._cause import explain as find_cause
from ._divergence import (
    TOLERANCE as TOLERANCE,
    Cause,
    Comparison as Comparison,
    amplification as amplification,
    difference as difference,
    not_finite,
)
from ._modes import Mode, mode as find_mode
from ._quantity import first_quantity
from ._recording import Recording
from ._resembling import identify
from ._run import Updates, run as run, run_all as run_all
from ._search import target
from ._slips import part_of
from ._stream import STEPS, Stream, stream


class Pair(NamedTuple):
    """A user's own `init(params)` and `update(grads, state, params)`."""

    init: Any
    update: Any


def compare(
    first: Any,
    second: Any,
    *,
    precision: str | None = None,
    steps: int = STEPS,
    seed: int = 0,
    gradients: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    jit: bool = True,
    tolerance: float = TOLERANCE,
    names: tuple[str, str] | None = None,
    explain: bool = True,
) -> Comparison:
    """Gives two rules the same gradients and says whether their updates agree, and if not, where they part first, and why.

    Both see the same recorded gradients and parameters at every step; only their own memories evolve. The error is
    counted in rounding errors of the leaf's largest update over the run: entry by entry, or in units of the last place
    of the parameter, it would blow up wherever a number crosses zero. NaN agrees with nothing.

    Args:
        first: a rule, anything with Optax's `init` and `update`, a tuple of those two functions, or a `Recording` of what
            another framework did; the other side is then run on the recording's gradients and parameters.
        second: another.
        precision: "float32", "float32 (x64)" (with 64-bit types enabled, which changes Optax's results) or "float64";
            if not given a recording's, and else float32.
        steps: the length of the built-in stream of gradients.
        seed: another seed, another stream.
        gradients: your own: leaf path -> array (steps, ...), finite.
        params: with them the parameters, shaped alike; zeros if not given.
        jit: run as one compiled scan; False runs operation by operation.
        tolerance: in rounding errors.
        names: what the answer calls the two; their own descriptions if not given.
        explain: where the two part, look for the cause: the smallest change of the conventions and numbers of our rule
            that makes them agree. Takes some seconds.

    Returns:
        A `Comparison`; print it for a sentence.

    Raises:
        ValueError: where one of the two is not a transformation, the streams do not match, or two recordings hold
            different gradients.
    """
    first, second = (Pair(*x) if _is_pair(x) else x for x in (first, second))
    for thing in (first, second):
        if not isinstance(thing, (Transformation, Recording)) or isinstance(thing, type):
            raise ValueError(f"compare needs rules or transformations with init and update, and was given {thing!r}")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"compare needs steps >= 1, and was given steps={steps!r}")
    if gradients is None and params is not None:
        raise ValueError("compare needs gradients where params are given: the built-in stream has its own")
    recordings = [thing for thing in (first, second) if isinstance(thing, Recording)]
    if recordings:
        if gradients is not None:
            raise ValueError("compare needs no gradients beside a recording, which holds its own")
        data = _common_stream(recordings)
    else:
        data = stream(seed, steps) if gradients is None else _own_stream(gradients, params)
    at = find_mode(precision or (recordings[0].mode.name if recordings else "float32"))
    a, b = (thing.updates if isinstance(thing, Recording) else run(thing, data, at, jit) for thing in (first, second))
    assert a is not None
    assert b is not None
    sizes = {leaf: size for recording in recordings for leaf, size in recording.rounding.items()}
    names = names or (describe(first), describe(second))
    seen = difference(a, b, at, names=names, tolerance=tolerance, sizes=sizes)
    if bad := not_finite("The recorded gradients are", data.gradients):
        seen = replace(seen, not_finite="; ".join(filter(None, (bad, seen.not_finite))))
    if seen.agrees or seen.step is None:
        return seen
    seen = replace(seen, quantity=first_quantity(first, second, seen, data, at))
    if not explain or not np.all(np.isfinite(seen.values or ())):
        return seen
    return replace(seen, cause=_cause((first, second), (a, b), data, at, sizes, seen))


def _cause(
    things: tuple[Any, Any], updates: tuple[Updates, Updates], data: Stream, at: Mode, sizes: dict, seen: Comparison
) -> Cause | None:
    """What our rule must change to be the other; of two witnesses, what tells them apart as settings of one rule."""
    for ours, other, theirs in ((*things, updates[1]), (*things[::-1], updates[0])):
        if part_of(ours) is not None:
            return find_cause(ours, target(ours, data, theirs, at, sizes, seen), other)
    goal = target(None, data, updates[0], at, sizes, seen)
    base = identify(things, goal)
    if base is None:
        return None
    one = find_cause(base, target(base, data, updates[0], at, sizes, seen))
    if not one.explained:
        return None
    two = find_cause(one.rule, target(base, data, updates[1], at, sizes, seen))
    if not two.explained:
        return replace(
            two, sentence=f"the first is {one.rule!r}, to {one.error:.2g} rounding errors; the second: {two}"
        )
    return replace(two, sentence=f"the first is {one.rule!r}, to {one.error:.2g} rounding errors; {two}")


def describe(thing: Any) -> str:
    """A rule prints itself; an Optax transformation is named after the function that made it."""
    if isinstance(thing, Recording):
        return thing.name
    if hasattr(thing, "_fields") and not isinstance(thing, tuple):
        return repr(thing)
    name = getattr(getattr(thing, "update", None), "__qualname__", type(thing).__name__)
    return f"an Optax {name.partition('.')[0]}" if "<locals>" in name else name


def _is_pair(thing: Any) -> bool:
    return type(thing) is tuple and len(thing) == 2 and all(map(callable, thing))


def _common_stream(recordings: list[Recording]) -> Stream:
    """The gradients of a recording, or of two that were made on the same ones."""
    data = recordings[0].stream
    for other in recordings[1:]:
        theirs = other.stream.gradients
        shapes = [{leaf: g.shape for leaf, g in x.items()} for x in (data.gradients, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"compare needs two recordings of the same gradients, and was given {shapes[0]} and {shapes[1]}"
            )
        apart = [
            (int(np.argwhere(g != theirs[leaf])[0][0]) + 1, leaf)
            for leaf, g in data.gradients.items()
            if not np.array_equal(g, theirs[leaf], equal_nan=True)
        ]
        if apart:
            raise ValueError(
                "compare needs two recordings of the same gradients, and theirs differ at step {}, leaf {!r}: record one "
                "framework on the gradients of the other".format(*min(apart))
            )
    return data


def _own_stream(gradients: Mapping[str, Any], params: Mapping[str, Any] | None) -> Stream:
    for name, given in (("gradients", gradients), ("params", params or {})):
        if not isinstance(given, Mapping) or any(np.asarray(x).dtype.kind not in "fiu" for x in given.values()):
            raise ValueError(
                f"compare needs {name} as a mapping of leaf path -> real array, and was given {given!r:.80}"
            )
    g = {name: np.asarray(x, np.float64) for name, x in gradients.items()}
    if not g or any(x.ndim == 0 for x in g.values()) or len({len(x) for x in g.values()}) != 1:
        shapes = {name: x.shape for name, x in g.items()}
        raise ValueError(f"compare needs gradients (steps, ...) with one number of steps, and was given {shapes}")
    if not all(np.all(np.isfinite(x)) for x in g.values()):
        raise ValueError("compare needs finite gradients, and was given NaN or infinity")
    p = {name: np.zeros_like(x) for name, x in g.items()} if params is None else params
    p = {name: np.asarray(x, np.float64) for name, x in p.items()}
    if {name: x.shape for name, x in g.items()} != {name: x.shape for name, x in p.items()}:
        raise ValueError("compare needs params shaped as gradients, (steps, ...) a leaf")
    zeros = {name: np.zeros_like(x) for name, x in g.items()}
    return Stream(g, p, np.zeros(len(next(iter(g.values())))), zeros)
