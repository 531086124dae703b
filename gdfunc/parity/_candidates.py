"""Changes of a rule that could explain why it differs from another: its conventions, well-known numbers, common slips."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ..core import Record
from ..rules import record_of
from ._slips import Shifted, with_fields
from ._twins import fields, load

ROUNDING = {"debias": ("exact", "power")}  # conventions that differ in rounding only

_DECAYS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
_EPS = (0.0, 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_PENALTIES = (1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 1e-2, 0.05, 0.1)
_STARTS = (0.0, 1e-6, 0.1, 1.0)
_FACTORS = (0.1, 0.5, 2.0, 10.0)
# They may not stand beside fields that mean the same.
_EXCLUDES = {"l2": ("weight_decay", "decay"), "decoupled": ("weight_decay", "l2"), "factor": ("learning_rate",)}


class Tried(NamedTuple):
    """One candidate: the changes, and the rule with those of them that are its fields."""

    changes: Mapping[str, Any]
    core: Any


def singles(base: Any, other: Any = None) -> dict[str, list[Any]]:
    """Field, or slip -> the values worth trying, none of them the rule's own.

    Args:
        base: a rule.
        other: what it is compared with; where that is the same rule, its values are tried first.
    """
    known = record_of(base)
    found: dict[str, list[Any]] = {}
    for field in dataclasses.fields(base):
        name, kind, value = field.name, base._fields[field.name], getattr(base, field.name)
        tried: list[Any] = [getattr(other, name)] if type(other) is type(base) else []
        if kind.static:
            tried += [choice for choice in kind.choices or () if not same_formula(name, value, choice)]
        elif name != "inner":
            tried += _numbers(name, value, base, known)
            if field.default is not dataclasses.MISSING:
                tried.append(field.default)
            tried += [each[name] for each in (known.settings if known else ()) if name in each]
        if kind.optional:
            tried.append(None)
        found[name] = _distinct(tried, value)
    rate, decay = getattr(base, "learning_rate", 1.0), getattr(base, "weight_decay", 0.0)
    penalties = {decay, *_PENALTIES} if _is_number(decay) else set(_PENALTIES)
    found["l2"] = sorted(x for x in penalties if x)
    found["decoupled"] = sorted({x * y for x in penalties for y in (1.0, rate if _is_number(rate) else 1.0)} - {0.0})
    found["late"] = [1]
    return found


def same_formula(name: str, value: Any, other: Any) -> bool:
    """Whether two choices of a convention differ in rounding only: they are told apart when an answer is verified."""
    return value in ROUNDING.get(name, ()) and other in ROUNDING.get(name, ())


def _numbers(name: str, value: Any, base: Any, known: Record | None) -> Iterator[Any]:
    if callable(value):
        yield from (Shifted(value, 1), Shifted(value, -1), float(np.asarray(value(0))))
        return
    kind = base._fields[name].range
    if name.startswith("eps"):
        yield from _EPS
    elif name.startswith("initial"):
        yield from _STARTS
    elif name == "weight_decay":
        rate = getattr(base, "learning_rate", None)
        yield from (0.0, *_PENALTIES)
        if _is_number(rate) and _is_number(value) and rate:
            yield from (value * rate, value / rate)
    elif kind is not None and (kind.low, kind.high) == (0.0, 1.0):
        yield from _DECAYS
        yield from (getattr(base, each) for each, other in base._fields.items() if other.range == kind)
    if _is_number(value):
        yield from (value * factor for factor in _FACTORS)
        if name.startswith("eps"):
            yield from (value**2, value**0.5)
    yield from _defaults(name, base, known)


def _defaults(name: str, base: Any, known: Record | None) -> Iterator[Any]:
    """The defaults of other libraries' arguments that stand for this field."""
    marked = {each: 0.1 + i / 97 for i, each in enumerate(base._fields) if not base._fields[each].static}
    for twin in known.twins if known else ():
        try:
            theirs = twin.arguments(**{**fields(base), **marked})
            defaults = inspect.signature(load(twin.name)).parameters
        except (ImportError, TypeError, ValueError, AttributeError):  # not installed, or no equivalent
            continue
        for keyword, given in theirs.items() if isinstance(theirs, dict) else ():
            if isinstance(given, float) and given == marked[name] and keyword in defaults:
                yield defaults[keyword].default


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _distinct(tried: list[Any], own: Any) -> list[Any]:
    """Each value once, without the rule's own and without what is no value."""
    found: list[Any] = []
    for x in tried:
        usable = x is None or isinstance(x, (bool, int, float, str, np.floating)) or callable(x)
        if usable and x is not inspect.Parameter.empty and x != own and x not in found:
            found.append(x)
    return found


def candidates(base: Any, values: Mapping[str, list[Any]], n: int) -> Iterator[Tried]:
    """Every way of making `n` changes that the rule allows."""
    moves = [(name, value) for name, tried in values.items() for value in tried]
    for chosen in combinations(moves, n):
        changes = dict(chosen)
        if len(changes) < n or any(other in changes for name in changes for other in _EXCLUDES.get(name, ())):
            continue
        try:
            yield Tried(changes, with_fields(base, changes))
        except ValueError:  # out of range, or refused beside another
            continue
