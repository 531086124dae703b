"""Changes of a rule that could explain why it differs from another: its conventions, well-known numbers, common slips."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import ArrayRule, Fields, Record, Rule, Scalar, chain, pytree_dataclass, rule
from ..rules import AddDecayedWeights, records
from ._twins import fields, load

Changes = Mapping[str, Any]
ROUNDING = {"debias": ("exact", "power")}  # conventions that differ in rounding only

_DECAYS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
_EPS = (0.0, 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_PENALTIES = (1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 1e-2, 0.05, 0.1)
_STARTS = (0.0, 1e-6, 0.1, 1.0)
_FACTORS = (0.1, 0.5, 2.0, 10.0)
SLIPS = ("l2", "decoupled", "factor", "late")  # what is no field of a rule
# They may not stand beside fields that mean the same.
_EXCLUDES = {"l2": ("weight_decay", "decay"), "decoupled": ("weight_decay", "l2"), "factor": ("learning_rate",)}


@rule
class Adjusted(ArrayRule):
    r"""What stands behind a rule: $u \leftarrow c\,u - s\,p$, a constant factor and a share of the parameter."""

    factor: Scalar = 1.0
    share: Scalar = 0.0

    needs = ("params",)

    def step(self, g, memory, p, t):
        return self.factor * g - self.share * p, memory


@rule
class Late(ArrayRule):
    r"""What stands behind a rule whose updates come one step late: $u_t \leftarrow u_{t-1}$, first 0."""

    class Memory(NamedTuple):
        last: Array  # the update before

    def start(self, p):
        return self.Memory(jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        return memory.last, self.Memory(g)


@pytree_dataclass
class Shifted(Fields):
    """A schedule read `by` steps later than it should be."""

    schedule: Any
    by: int

    def __call__(self, step: Any) -> Any:
        return self.schedule(jnp.maximum(step - self.by, 0))


class Tried(NamedTuple):
    """One candidate: the changes, and the rule with those of them that are fields; the others are `SLIPS`."""

    changes: Changes
    core: Any


def part_of(thing: Any) -> Any:
    """The rule whose settings may be changed: the thing itself, or the last of a chain; None without a formula."""
    parts = thing.parts if getattr(thing, "word", "") == "chain" else (thing,)
    return parts[-1] if parts and isinstance(parts[-1], Rule) and hasattr(parts[-1], "step") else None


def with_fields(base: Any, changes: Changes) -> Any:
    """The rule with those of the changes that are fields.

    Raises:
        ValueError: where the rule allows no such value.
    """
    part = part_of(base)
    own = {name: value for name, value in changes.items() if name in part._fields}
    if ("l2" in changes or "decoupled" in changes) and "weight_decay" in part._fields:
        own["weight_decay"] = 0.0
    new = dataclasses.replace(part, **own) if own else part
    return new if part is base else chain(*base.parts[:-1], new)


def changed(base: Any, changes: Changes) -> Any:
    """The rule with all of the changes: a chain with it where one is no field."""
    parts = [with_fields(base, changes)]
    if "l2" in changes:
        parts = [AddDecayedWeights(changes["l2"]), *parts]
    if "factor" in changes or "decoupled" in changes:
        parts.append(Adjusted(changes.get("factor", 1.0), changes.get("decoupled", 0.0)))
    if "late" in changes:
        parts.append(Late())
    return parts[0] if len(parts) == 1 else chain(*parts)


def singles(base: Any, other: Any = None) -> dict[str, list[Any]]:
    """Field, or slip -> the values worth trying, none of them the rule's own.

    Args:
        base: a rule.
        other: what it is compared with; where that is the same rule, its values are tried first.
    """
    known = next((known for known in records().values() if known.make is type(base)), None)
    found: dict[str, list[Any]] = {}
    for field in dataclasses.fields(base):
        name, kind, value = field.name, base._fields[field.name], getattr(base, field.name)
        tried: list[Any] = [getattr(other, name)] if type(other) is type(base) else []
        if kind.static:
            if kind.choices is None:
                pass
            else:
                tried += [choice for choice in kind.choices if not same_formula(name, value, choice)]
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
        yield from (Shifted(value, 1), Shifted(value, -1), float(value(0)))
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
