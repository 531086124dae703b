"""Reads a function backwards: which numbers must it have been given, where it returned these?

A record says how our fields become another library's arguments, as a plain function. Here it runs on unknowns: they take
part in arithmetic, and where one is compared, both outcomes are followed. What it returns is then set equal, entry by
entry, to what was given.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ._translate_unknowns import PATH, Path, Unknown, is_number, lift

_MOST_PATHS = 256  # a function that compares more unknowns than eight is not followed further


class _Mismatch(Exception):
    pass


def solve(
    function: Callable[..., Any], fields: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Every assignment of numbers to the unknowns with which `function(**fields)` may be `given`.

    Args:
        function: plain Python that returns a dictionary; a run in which it returns something else, or fails on an
            unknown, has no solution.
        fields: its keywords, with `Unknown` where a number is asked for.
        given: what it returned, numbers, strings and whatever else, in tuples and dictionaries.

    Yields:
        The unknowns' values by name. Inequalities are not held against them: check by calling the function.
    """
    pending: list[tuple[bool, ...]] = [()]
    tried = 0
    while pending and tried < _MOST_PATHS:
        path, tried = Path(pending.pop()), tried + 1
        token = PATH.set(path)
        found = None
        try:
            returned = function(**fields)
            if isinstance(returned, dict):
                found = _values([*((zero, 0) for zero in path.zeros), *_equations(returned, given)])
        except Exception:  # whatever a function that was not written for unknowns does with them
            pass
        finally:
            PATH.reset(token)
        pending.extend(path.others())
        if found is not None:
            yield found


def _equations(pattern: Any, value: Any) -> Iterator[tuple[Unknown, Any]]:
    pattern = lift(pattern)
    if isinstance(pattern, Unknown):
        yield pattern, value
    elif isinstance(pattern, dict) and isinstance(value, Mapping) and pattern.keys() == value.keys():
        for key, part in pattern.items():
            yield from _equations(part, value[key])
    elif isinstance(pattern, (tuple, list)) and isinstance(value, (tuple, list)):
        for part, its in zip(pattern, value, strict=True):
            yield from _equations(part, its)
    elif not same(pattern, value):
        raise _Mismatch


def _values(equations: list[tuple[Unknown, Any]]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    while equations:
        ready = [(len(term.free(known)), i) for i, (term, _) in enumerate(equations)]
        free, i = min(ready)
        if free > 1:
            unsettled = (unknown for term, _ in equations for unknown in term.free(known))
            unknown = next((each for each in unsettled if each.default is not None), None)
            if unknown is None:
                raise _Mismatch
            known[unknown.name] = unknown.default
            continue
        term, value = equations.pop(i)
        if free == 1:
            known[term.free(known)[0].name] = term.invert(value, known)
        elif not same(term.value(known), value):
            raise _Mismatch
    return known


def same(a: Any, b: Any) -> bool:
    """Whether two arguments are equal, numbers to twelve digits."""
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if is_number(a) and is_number(b):
        return math.isclose(a, b, rel_tol=1e-12)  # pyright: ignore[reportArgumentType]
    return type(a) is type(b) and a == b
