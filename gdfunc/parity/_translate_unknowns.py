"""Numbers that are not known yet, and one run of a function on them: what it computes, and what its comparisons say."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np

_WHOLE = 10**15  # what int() of the k-th unknown gives is this to the power k: sums of them can be read again


class Unknown:
    """A number that is not known yet.

    Attributes:
        name: what it is called in a solution.
        default: its value where nothing else settles it; None where it has none.
    """

    def __init__(self, name: str, default: Any = None):
        self.name, self.default = name, default

    def __neg__(self):
        return _Term(operator.sub, 0, self)

    def __eq__(self, other: object) -> bool:
        return is_number(other) and PATH.get().choose(_Term(operator.sub, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return not PATH.get().choose(self)

    def __lt__(self, other: object) -> bool:
        return PATH.get().choose()

    __le__ = __gt__ = __ge__ = __lt__
    __hash__ = object.__hash__

    def __int__(self) -> int:
        whole = PATH.get().whole
        whole.append(self)
        return _WHOLE ** len(whole)

    def free(self, known: Mapping[str, Any]) -> list["Unknown"]:
        """The unknowns in it that `known` does not name, as often as they stand there."""
        return [] if self.name in known else [self]

    def value(self, known: Mapping[str, Any]) -> Any:
        return known[self.name]

    def invert(self, value: Any, known: Mapping[str, Any]) -> Any:
        """What its only free unknown is, where it has this value."""
        return value


# Which number a stands left, or b right, of an operation whose other side and whose value y are known.
_LEFT = {
    operator.add: lambda y, b: y - b,
    operator.sub: lambda y, b: y + b,
    operator.mul: lambda y, b: y / b,
    operator.truediv: lambda y, b: y * b,
    operator.pow: lambda y, b: y ** (1 / b),
}
_RIGHT = {
    operator.add: lambda y, a: y - a,
    operator.sub: lambda y, a: a - y,
    operator.mul: lambda y, a: y / a,
    operator.truediv: lambda y, a: a / y,
    operator.pow: lambda y, a: math.log(y) / math.log(a),
}


class _Term(Unknown):
    """Arithmetic on unknowns."""

    def __init__(self, operation: Callable, left: Any, right: Any):
        super().__init__("")
        self.operation, self.sides = operation, (lift(left), lift(right))

    def free(self, known):
        return [unknown for side in self.sides if isinstance(side, Unknown) for unknown in side.free(known)]

    def value(self, known):
        return self.operation(*(side.value(known) if isinstance(side, Unknown) else side for side in self.sides))

    def invert(self, value, known):
        left, right = self.sides
        if isinstance(left, Unknown) and left.free(known):
            b = right.value(known) if isinstance(right, Unknown) else right
            inner, side = _LEFT[self.operation](value, b), left
        else:
            a = left.value(known) if isinstance(left, Unknown) else left
            inner, side = _RIGHT[self.operation](value, a), right
        return side.invert(neat(inner), known)


def _operators(name: str) -> None:
    operation = getattr(operator, name)
    setattr(Unknown, f"__{name}__", lambda self, other: _Term(operation, self, other))
    setattr(Unknown, f"__r{name}__", lambda self, other: _Term(operation, other, self))


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _operators(_name)


class Path:
    """One run of a function: how its comparisons came out, and the differences that are zero for it."""

    def __init__(self, choices: tuple[bool, ...] = ()):
        self.choices, self.made = choices, []
        self.zeros: list[Unknown] = []
        self.whole: list[Unknown] = []

    def choose(self, zero: Unknown | None = None) -> bool:
        """The outcome of one comparison; where it is True, `zero` is 0."""
        i = len(self.made)
        self.made.append(self.choices[i] if i < len(self.choices) else False)
        if self.made[-1] and zero is not None:
            self.zeros.append(zero)
        return self.made[-1]

    def others(self) -> Iterator[tuple[bool, ...]]:
        """The paths that part from this one at a comparison that was made for the first time."""
        for i in range(len(self.choices), len(self.made)):
            yield (*self.made[:i], True)


PATH: ContextVar[Path] = ContextVar("path")


def neat(x: float) -> float:
    """The short number that arithmetic missed by a rounding: 1e-4 for 0.1 * 1e-3 = 1.0000000000000002e-4."""
    short = float(f"{x:.12g}")
    return short if math.isclose(short, x, rel_tol=4e-16) else x


def is_number(x: Any) -> bool:
    return isinstance(x, (int, float, np.number, Unknown)) and not isinstance(x, bool)


def lift(x: Any) -> Any:
    """A whole number that holds int() of unknowns as the sum of them that it is."""
    if isinstance(x, bool) or not isinstance(x, int) or abs(x) < _WHOLE // 2:
        return x
    digit = lambda: (x + _WHOLE // 2) % _WHOLE - _WHOLE // 2  # noqa: E731
    total: Any = digit()
    for unknown in PATH.get().whole:
        x = (x - digit()) // _WHOLE
        if times := digit():
            term = unknown if times == 1 else times * unknown
            total = term + total if total else term
    return total
