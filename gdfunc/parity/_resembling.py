"""Which rule of the catalogue do some updates look like?"""

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from ..core import ArrayRule, Record
from ..rules import records
from ._candidates import Tried
from ._quantity import find
from ._search import Target, elementwise, errors
from ._twins import fields


def nearest_other(base: Any, goal: Target, other: Any = None) -> tuple[str, float] | None:
    """The other rule whose updates, times a constant, are nearest to the goal's, with the numbers that it shares with `base`."""
    mine = fields(base)
    tried = []
    for known in records().values():
        if known.make not in (type(base), type(other)):
            shared = {name: x for name, x in mine.items() if name in getattr(known.make, "_fields", ())}
            tried += [rule for rule in made(known, [shared]) if fits(rule, goal)]
    if not tried:
        return None
    found = errors([Tried({}, rule) for rule in tried], goal)
    best = int(np.argmin(found.distance))
    return type(tried[best]).__name__, float(min(found.plain[best], found.scaled[best]))


def identify(things: Iterable[Any], goal: Target) -> Any:
    """The rule of the catalogue, at its record's settings and with the rate that fits best, that is nearest the goal."""
    tried = [rule for known in hinted(things) for rule in made(known, known.settings) if fits(rule, goal)]
    if not tried:
        return None
    found = errors([Tried({}, rule) for rule in tried], goal)
    best = int(np.argmin(found.scaled))
    rule, rate, factor = tried[best], getattr(tried[best], "learning_rate", None), float(found.factor[best])
    if found.plain[best] > found.scaled[best] and isinstance(rate, float) and factor > 0:
        return type(rule)(**{**fields(rule), "learning_rate": tidy(rate * factor)})
    return rule


def hinted(things: Iterable[Any]) -> list[Record]:
    """The records whose twins keep the state that one of the transformations keeps; all where there is no hint."""
    best, most = list(records().values()), 0
    for thing in things:
        name = getattr(thing, "name", None)
        if isinstance(name, str):
            named = [known for known in records().values() if any(twin.name in name for twin in known.twins)]
            best = named if named and not most else best
            continue
        state = thing.init({"x": np.zeros(3, np.float32)})
        for known in records().values():
            sources = {x for twin in known.twins for x in twin.memory.values() if isinstance(x, str)}
            held = sum(find(state, source) is not None for source in sources)
            if held and held >= most:
                best = [*(best if held == most else ()), known]
                most = held
    return best


def made(known: Record, settings: Iterable[Any]) -> Iterator[Any]:
    """The rules of one record at some settings, where they are formulas on one array."""
    for each in settings:
        names = getattr(known.make, "_fields", {})
        rate = {} if "learning_rate" not in names else {"learning_rate": 1e-3}
        try:
            rule = known.make(**{**rate, **each})
        except (ValueError, TypeError):  # refused beside its own defaults, or needs something more
            continue
        if isinstance(rule, ArrayRule) and set(rule.needs) <= {"params"}:
            yield rule


def fits(rule: Any, goal: Target) -> bool:
    """Whether the rule takes the goal's arrays, entry by entry where these are one vector of many leaves."""
    if set(goal.updates) == {"all"} and not elementwise(rule):
        return False
    p = {leaf: jax.ShapeDtypeStruct(u.shape[1:], np.float32) for leaf, u in goal.updates.items()}
    try:
        jax.eval_shape(lambda p: rule.update(p, rule.init(p), p), p)
    except (ValueError, TypeError):
        return False
    return True


def tidy(x: float, within: float = 2e-7) -> float:
    """The number with the fewest digits that is x but for rounding, in float32 if no more is allowed."""
    return next((y for digits in range(1, 9) if abs((y := float(f"{x:.{digits}g}")) - x) <= within * abs(x)), x)
