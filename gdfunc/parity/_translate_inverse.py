"""From another library's call to our rule: every record's `arguments`, read backwards."""

import collections.abc
import dataclasses
import inspect
import itertools
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..core import Fields, Record, Twin
from . import _translate_keras as keras
from ._functions import catalogue
from ._translate_names import defaults, optax_object
from ._translate_unknowns import Unknown
from ._twins import fields
from ._unify import same, solve

FOLDERS = ("rules", "schedules", "clipping")
# A twin that a record calls otherwise (leaf by leaf, on a batch) is no line that stands for the rule.
_PLAIN_CALLS = (None, "optax", "torch", "in_optax", "in_torch")


class Found(NamedTuple):
    """One of our rules, and the twin that says so."""

    rule: Any
    record: Record
    twin: Twin


def known_makes() -> Iterator[Record]:
    """The records of every rule, schedule and clipping that is made of fields."""
    for folder in FOLDERS:
        for known in catalogue(folder).values():
            if inspect.isclass(known.make) and issubclass(known.make, Fields):
                yield known


def twins(library: str, known: Record) -> list[Twin]:
    """That library's versions that can be written as one call."""
    if library == "keras":
        return [keras.TWINS[known.name]] if known.name in keras.TWINS else []
    plain = lambda twin: getattr(twin.call, "__name__", twin.call) in _PLAIN_CALLS  # noqa: E731
    return [twin for twin in known.twins if twin.library == library and plain(twin)]


def invert(library: str, full: str, given: Mapping[str, Any]) -> Found | None:
    """Our rule whose twin is `full` called with `given`: the one with the most defaults; None where there is none.

    Raises:
        ValueError: where the only candidates refuse a number as out of range.
    """
    usual = defaults(library, full)
    wanted = {**usual, **given}
    best: tuple[int, Found] | None = None
    refused: ValueError | None = None
    for known in known_makes():
        for twin in twins(library, known):
            if not is_called(library, twin.name, full):
                continue
            theirs = _completed(twin, usual, wanted)
            for template in _templates(known.make):
                for values in solve(theirs, template, wanted):
                    try:
                        rule = _build(known.make, template, values)
                    except (ValueError, TypeError) as error:
                        refused = refused or (error if isinstance(error, ValueError) else None)
                        continue
                    if rule is not None and same(theirs(**fields(rule)), wanted):
                        changed = _changes(rule)
                        if best is None or changed < best[0]:
                            best = changed, Found(rule, known, twin)
    if best is None and refused is not None:
        raise refused
    return None if best is None else best[1]


def is_called(library: str, name: str, full: str) -> bool:
    """Whether a twin of this name is what has this full name."""
    if library != "optax":
        return name == full
    return name == full or optax_object(name) is optax_object(full)  # optax.cosine_decay_schedule stands in two places


def _completed(twin: Twin, usual: Mapping[str, Any], wanted: Mapping[str, Any]) -> Any:
    """The twin's arguments as the signature completes them; what only a record's own call takes is left out."""

    def theirs(**ours: Any) -> Any:
        found = twin.arguments(**ours)
        return found if isinstance(found, str) else {n: v for n, v in {**usual, **found}.items() if n in wanted}

    return theirs


def _templates(make: Any) -> Iterator[dict[str, Any]]:
    """Every choice of conventions, with unknowns for numbers."""
    names = [field.name for field in dataclasses.fields(make)]
    for choice in itertools.product(*(_options(make, name) for name in names)):
        yield dict(zip(names, choice, strict=True))


def _options(make: Any, name: str) -> list[Any]:
    field = make._fields[name]
    given = next(f.default for f in dataclasses.fields(make) if f.name == name)
    if field.choices is not None:
        options = list(field.choices)
    else:
        number = isinstance(given, (int, float)) and not isinstance(given, bool)
        options = [Unknown(name, given if number else None)]
        if typing.get_origin(typing.get_type_hints(make)[name]) is collections.abc.Callable:
            options += [_inside(name, known.make) for known in catalogue("schedules").values()]
    return [*options, None] if field.optional else options


def _inside(name: str, make: Any) -> Any:
    """A schedule of unknowns, for a field that is a schedule; unchecked, for its numbers are none yet."""
    new = object.__new__(make)
    for field in dataclasses.fields(make):
        object.__setattr__(new, field.name, Unknown(f"{name}.{field.name}"))
    return new


def _build(make: Any, template: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> Any:
    """The rule of a template, its unknowns replaced; None where a number without a default was not settled."""
    found = {}
    for name, choice in template.items():
        if isinstance(choice, Unknown):
            if (value := values.get(prefix + name, choice.default)) is None and not make._fields[name].optional:
                return None
            if make._fields[name].kind is int and isinstance(value, float) and value.is_integer():
                value = int(value)
            found[name] = value
        elif isinstance(choice, Fields) and any(isinstance(x, Unknown) for x in fields(choice).values()):
            if (inner := _build(type(choice), fields(choice), values, f"{name}.")) is None:
                return None
            found[name] = inner
        else:
            found[name] = choice
    return make(**found)


def _changes(rule: Any) -> int:
    """How many fields leave their defaults."""
    usual = {field.name: field.default for field in dataclasses.fields(rule)}
    return sum(
        default is not dataclasses.MISSING and not same(getattr(rule, name), default) for name, default in usual.items()
    )
