"""Where two streams of updates part: step, leaf, entry, size, values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._modes import Mode
from ._run import Updates

TOLERANCE = 8.0  # in rounding errors: what two orders of the same operations may differ by over some tens of steps


@dataclass(frozen=True)
class Cause:
    """Why two rules part: the smallest change of conventions or numbers that makes them agree.

    Attributes:
        changes: field of our rule -> its value there. Beside fields: "l2", a weight decay in the gradient; "decoupled",
            the share of the parameter that is taken off beside the update; "factor", what multiplies the update;
            "late", the steps by which it comes late. Empty where nothing explains the difference.
        rule: our rule with these changes; where nothing explains the difference, the nearest.
        error: how far that is from the other side, in rounding errors.
        sentence: all this in words.
        explained: whether the error is one of rounding.
    """

    changes: Mapping[str, Any]
    rule: Any
    error: float
    sentence: str
    explained: bool = True

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Comparison:
    """How far two streams of updates are from each other.

    Attributes:
        first, second: what was compared, in words.
        mode: the precision: "float32", "float32 (x64)" or "float64".
        error: the largest difference, in rounding errors of the leaf's largest update; infinite where one side is not
            finite, or shapes or dtypes differ.
        tolerance: up to this error the two agree.
        step: the first step (from 1) at which they part by more; None where they agree.
        leaf: the path of the leaf that parts first.
        index: the entry in that leaf.
        values: the two updates there.
        late: how many steps `second` lags behind `first`, where shifting it by that restores agreement in most entries.
        why: a difference of shape or dtype, in words.
        quantity: the first quantity of the formula that differs at that step, where both sides show it, in words.
        cause: what would make them agree; None where they do, and where no cause was looked for.
        not_finite: which side is not finite, and from where, in words.
    """

    first: str
    second: str
    mode: str
    error: float
    tolerance: float
    step: int | None = None
    leaf: str | None = None
    index: tuple[int, ...] | None = None
    values: tuple[float, float] | None = None
    late: int = 0
    why: str = ""
    quantity: str = ""
    cause: Cause | None = None
    not_finite: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the error is within the tolerance."""
        return bool(self.error <= self.tolerance)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a number that is not finite is null, a rule is what it prints."""
        plain = {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "agrees": self.agrees}
        if self.cause is not None:
            plain["cause"] = {**{k: _plain(v) for k, v in vars(self.cause).items()}, "rule": repr(self.cause.rule)}
        return {"schema": 1, **{name: _plain(value) for name, value in plain.items()}}

    def __str__(self) -> str:
        if self.agrees:
            return f"{self.first} and {self.second} agree to {self.error:.2g} rounding errors of {self.mode}"
        if self.why:
            return f"{self.first} and {self.second} differ: {self.why}"
        assert self.values is not None
        text = (
            f"{self.first} and {self.second} part at step {self.step}, leaf {self.leaf!r}, index {self.index}: "
            f"{told_apart(*self.values)}; in all by {self.error:.3g} rounding errors of {self.mode}"
        )
        if self.late:
            text += f". The second is {self.late} step late: moved back by it, most of its entries agree"
        if self.not_finite:
            text += f". {self.not_finite}"
        if self.quantity:
            text += f". First to differ there is {self.quantity}"
        return text if self.cause is None else f"{text}. Cause: {self.cause}"


def _plain(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {str(name): _plain(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(value) for value in x]
    if isinstance(x, float):
        return x if math.isfinite(x) else None
    return x if x is None or isinstance(x, (bool, int, str)) else repr(x)


def told_apart(x: float, y: float) -> str:
    """`0.1 against 0.0999993`: both with as many digits as it takes to tell them apart, six or more."""
    digits = next((d for d in range(6, 17) if f"{x:.{d}g}" != f"{y:.{d}g}"), 17)
    return f"{x + 0.0:.{digits}g} against {y + 0.0:.{digits}g}"


def amplification(a: Updates, b: Updates, at: Mode) -> float:
    """What one rounding of its inputs does to a rule, in rounding errors of its largest update: 1 or more."""
    return max(1.0, difference(a, b, at, names=("", "")).error)


def largest(y: np.ndarray) -> float:
    """The size of the largest finite entry; 0 where there is none."""
    return float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y)))


def unit(y: np.ndarray, at: Mode, size: float = 0.0) -> float:
    """One rounding error of the largest finite entry, or of `size` where that is larger."""
    return at.eps * max(largest(y), size, float(np.finfo(at.dtype).tiny) / at.eps)


def difference(
    a: Updates,
    b: Updates,
    at: Mode,
    names: tuple[str, str],
    tolerance: float = TOLERANCE,
    amplification: float = 1.0,
    sizes: Mapping[str, float] | None = None,
) -> Comparison:
    """Two streams of updates against each other; `b` is the witness, whose size times `amplification` is the unit.

    `sizes`: leaf -> the size whose rounding the updates carry, where it is more than their own.
    """
    base: dict[str, Any] = {"first": names[0], "second": names[1], "mode": at.name, "tolerance": tolerance}
    if set(a) != set(b):
        return Comparison(**base, error=np.inf, why=f"leaves {sorted(a)} against {sorted(b)}")
    worst, parts = 0.0, []
    for leaf in a:
        x, y = np.asarray(a[leaf]), np.asarray(b[leaf])
        if x.shape != y.shape or (x.dtype != y.dtype and y.dtype != np.longdouble):
            why = f"{leaf!r} is {x.dtype}{list(x.shape)} against {y.dtype}{list(y.shape)}"
            return Comparison(**base, error=np.inf, why=why)
        x, y = x.astype(np.float64), y.astype(np.float64)
        one = amplification * unit(y, at, (sizes or {}).get(leaf, 0.0))
        finite = np.isfinite(x) & np.isfinite(y)
        error = np.where(finite, np.abs(np.where(finite, x, 0) - np.where(finite, y, 0)) / one, np.inf)
        worst = max(worst, float(np.max(error, initial=0.0)))
        over = np.argwhere(error > tolerance)
        if len(over):
            parts.append((int(over[0][0]), leaf, tuple(int(i) for i in over[0][1:])))
    if not parts:
        return Comparison(**base, error=worst)
    step, leaf, index = min(parts)
    values = (float(a[leaf][(step, *index)]) + 0.0, float(b[leaf][(step, *index)]) + 0.0)  # -0 reads as 0
    return Comparison(
        **base,
        error=worst,
        step=step + 1,
        leaf=leaf,
        index=index,
        values=values,
        late=_late(a, b, at, tolerance),
        not_finite="; ".join(filter(None, (not_finite("The first is", a), not_finite("The second is", b)))),
    )


def not_finite(who: str, tree: Updates) -> str:
    """Where the first number that is not finite stands, in words; "" where all are."""
    bad = [
        (int(where[0][0]), leaf, where[0][1:]) for leaf, x in tree.items() if len(where := np.argwhere(~np.isfinite(x)))
    ]
    if not bad:
        return ""
    step, leaf, index = min(bad, key=lambda entry: entry[:2])
    at = tuple(map(int, index))
    return f"{who} not finite from step {step + 1}, leaf {leaf!r}, index {at}: {float(tree[leaf][(step, *at)])}"


def _late(a: Updates, b: Updates, at: Mode, tolerance: float) -> int:
    """1 where b one step later is a in at least two thirds of the entries that differ in place; else 0."""
    differ, agree = 0, 0
    for leaf in a:
        x, y = np.asarray(a[leaf], np.float64), np.asarray(b[leaf], np.float64)
        one = tolerance * at.eps * max(float(np.max(np.abs(y), initial=0.0)), 1e-300)
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            apart = np.abs(x[:-1] - y[:-1]) > one
            differ += int(apart.sum())
            agree += int((apart & (np.abs(x[:-1] - y[1:]) <= one)).sum())
    return int(differ > 0 and agree >= 2 / 3 * differ)
