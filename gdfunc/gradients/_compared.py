"""What was found when a gradient was compared with its function, in words."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

Verdict = Literal["right", "wrong", "kink", "not finite", "undecided"]
_SHOWN = 3  # findings of one leaf that are written out


class Compared(NamedTuple):
    """A gradient and a slope, along a direction of length 1.

    Attributes:
        leaf: the leaf's path.
        where: the entry that the direction moves, or the range of entries.
        verdict: "right", "wrong", "kink" (the slopes differ and the gradient is between them), "not finite" (the gradient)
            or "undecided".
        gradient: the component of `jax.grad`'s gradient.
        slope: the derivative by differences.
        error: by how much the two may differ where the gradient is right.
        sees: the least error of the gradient that would have been found.
        kink: whether the slopes on both sides differ.
        left: the slope on the one side.
        right: that on the other.
    """

    leaf: str
    where: str
    verdict: Verdict
    gradient: float
    slope: float
    error: float
    sees: float
    kink: bool
    left: float
    right: float

    def __str__(self) -> str:
        given = f"jax.grad gives {self.gradient:.6g}"
        if self.verdict == "kink":
            return f"kink at {self.where}: slope {self.left:.3g} on the left and {self.right:.3g} on the right; {given}"
        found = f"differences {self.slope:.6g} ± {self.error:.1g}"
        if self.verdict in ("wrong", "not finite"):
            return f"WRONG at {self.where}: {given}, {found}{self._by_how_much()}"
        return f"{self.verdict} at {self.where}: {given}, {found}"

    def _by_how_much(self) -> str:
        if not (math.isfinite(self.gradient) and abs(self.slope) > self.error):
            return ""
        ratio = self.gradient / self.slope
        if ratio <= 0:
            return ": " + ("nothing of it arrives" if ratio == 0 else "the sign is wrong")
        return f": {abs(100 * (ratio - 1)):.3g} % too {'large' if ratio > 1 else 'small'}"


class CheckedLeaf(NamedTuple):
    """A leaf of the parameters.

    Attributes:
        path: its path.
        verdict: the worst of its findings; "right", or "undecided" where none was found.
        directions: along how many the two were compared.
        sees: the least error of the gradient's length that would have been found, as a share of it. An error of one entry
            alone is a smaller one along any direction but the entry's own.
        rows: what is not right.
    """

    path: str
    verdict: Verdict
    directions: int
    sees: float
    rows: tuple[Compared, ...]

    def __str__(self) -> str:
        if self.verdict == "undecided":
            share = f"a length wrong by less than {100 * self.sees:.2g} % would not show"
            why = share if self.sees < math.inf else "the gradient is 0, or f not finite nearby,"
            return f"undecided: {why} here; another point, or jax.enable_x64(True), may tell"
        if self.verdict == "right":
            return f"right along {self.directions} directions, and in length to {100 * self.sees:.2g} %"
        more = len(self.rows) - _SHOWN
        return "; ".join([*map(str, self.rows[:_SHOWN]), *([f"and {more} more"] if more > 0 else [])])


@dataclass(frozen=True)
class GradientCheck:
    """What `check` found; `str` of it says where a gradient is wrong, and by how much.

    Attributes:
        leaves: one a leaf of the parameters.
        precision: what it was computed in.
    """

    leaves: tuple[CheckedLeaf, ...]
    precision: str

    @property
    def ok(self) -> bool:
        """Whether nothing wrong was found; kinks are not, nor what is too small to be told."""
        return not self._bad

    @property
    def rows(self) -> tuple[Compared, ...]:
        """What is not right, of all leaves."""
        return tuple(row for leaf in self.leaves for row in leaf.rows)

    @property
    def _bad(self) -> list[CheckedLeaf]:
        return [leaf for leaf in self.leaves if leaf.verdict in ("wrong", "not finite")]

    def __str__(self) -> str:
        what = f"is WRONG in {len(self._bad)} of {len(self.leaves)} leaves" if self._bad else "has no error found"
        width = max(len(leaf.path) for leaf in self.leaves)
        lines = [f"  {leaf.path:<{width}}  {leaf}" for leaf in self.leaves]
        return "\n".join([f"the gradient {what} ({self.precision})", *lines])
