"""What every library's line is made of: calls, their arguments, and the twin that stands for a rule."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jax import Array

from ..core import Fields, Record, Twin
from ..core._chain import Chain
from ._translate_inverse import known_makes, twins
from ._translate_unknowns import neat
from ._twins import fields

TITLES = {"gdfunc": "gdfunc", "optax": "Optax", "torch": "PyTorch", "keras": "Keras"}


class NoEquivalent(Exception):
    """Nothing there does the same; the message says why."""


def gdfunc_line(thing: Any) -> str:
    """`gd.rules.Adam(learning_rate=0.001)`: fields at their defaults are left out."""
    if isinstance(thing, Chain):
        return f"gd.chain({', '.join(map(gdfunc_line, thing.parts))})"
    folder = type(thing).__module__.split(".")
    if not isinstance(thing, Fields) or folder[0] != "gdfunc":
        raise NoEquivalent(f"{thing!r} is written by no line of gdfunc")
    usual = {field.name: field.default for field in dataclasses.fields(thing)}  # pyright: ignore[reportArgumentType]
    given = {n: x for n, x in fields(thing).items() if usual[n] is dataclasses.MISSING or not equal(x, usual[n])}
    return call(f"gd.{folder[1]}.{type(thing).__name__}", given, gdfunc_line)


def equal(x: Any, default: Any) -> bool:
    """Whether a field has this value, be it written 1 or 1.0."""
    return (type(x) is type(default) and x == default) or (isinstance(default, (int, float)) and _is(x, default))


def _is(x: Any, default: float) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and x == default


def call(name: str, arguments: Mapping[str, Any], inner: Callable[[Any], str], first: str = "") -> str:
    """A call as one writes it, after what PyTorch's take `first`."""
    written = [first] if first else []
    return f"{name}({', '.join([*written, *(f'{n}={_value(x, inner)}' for n, x in arguments.items())])})"


def _value(x: Any, inner: Callable[[Any], str]) -> str:
    """An argument as one writes it; `inner` writes a rule or a schedule."""
    if isinstance(x, str):
        return json.dumps(x)
    if x is None or isinstance(x, (bool, int)):
        return repr(x)
    if isinstance(x, float):
        return repr(neat(x))
    if isinstance(x, (tuple, list)):
        parts = [_value(part, inner) for part in x]
        return f"[{', '.join(parts)}]" if isinstance(x, list) else f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    if isinstance(x, Mapping):
        return f"{{{', '.join(f'{_value(k, inner)}: {_value(v, inner)}' for k, v in x.items())}}}"
    if isinstance(x, (Fields, Chain)):
        return inner(x)
    return repr(number(x))


def number(x: Any) -> Any:
    """A NumPy or JAX scalar as Python's number, with the digits that it has.

    Raises:
        NoEquivalent: where `x` cannot be written as a number.
    """
    array = None if callable(x) else np.asarray(x)
    if array is None or array.ndim or array.dtype.kind not in "iuf":
        raise NoEquivalent(f"{x!r} has no line: a line holds single numbers and known schedules")
    return array.item() if array.dtype.itemsize == 8 or array.dtype.kind in "iu" else float(str(array))


def twin_call(library: str, thing: Any) -> tuple[Twin, dict[str, Any]]:
    """The twin of a rule, schedule or clipping at its settings, and what it is called with.

    Raises:
        NoEquivalent: with the record's reason, where there is none.
    """
    if (known := record_of(thing)) is None:
        raise NoEquivalent(f"gdfunc has no record of {getattr(thing, 'word', type(thing).__name__)}")
    own = {
        name: number(x) if isinstance(x, (np.generic, np.ndarray, Array)) else x for name, x in fields(thing).items()
    }
    reasons = []
    for twin in twins(library, known):
        arguments = twin.arguments(**own)
        if isinstance(arguments, dict):
            return twin, arguments
        reasons.append(arguments)
    if not reasons and (why := known.no_twin.get(library)):
        reasons.append(why)
    raise NoEquivalent(reasons[0] if reasons else f"{TITLES[library]} has no {known.name} that is one call")


def record_of(thing: Any) -> Record | None:
    """The record of the class of a rule, schedule or clipping."""
    return next((known for known in known_makes() if known.make is type(thing)), None)
