"""Why do two rules part? The smallest change of a rule's settings that makes it agree with the other side."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import numpy as np

from ._candidates import Tried, candidates, same_formula, singles
from ._divergence import TOLERANCE, Cause
from ._phrases import sentence, unexplained
from ._resembling import nearest_other, tidy
from ._search import Errors, Target, errors, verify
from ._slips import changed, part_of

LOOSE = 256.0  # in rounding errors: what bias corrections, evaluated in another way, may differ by in float32
_SHORTLIST = 4
_MOST_NUMBERS = 50_000_000  # of all candidates' updates together, in memory at once


class Hit(NamedTuple):
    """Changes of the base that leave rounding errors at most, and how many."""

    changes: Mapping[str, Any]
    error: float


class _Search:
    """The settings of `base`, and what they come to on the goal."""

    def __init__(self, base: Any, goal: Target):
        self.base, self.part, self.goal = base, part_of(base), goal

    def hits(self, tried: list[Tried], seen: Errors, scaled: bool = False, plain: bool = True) -> list[Hit]:
        """The candidates within rounding as they are, and those that are once their rate or update is multiplied."""
        rows = list(zip(tried, *seen[:3], strict=True))
        found = [Hit(each.changes, float(e)) for each, e, _, _ in rows if plain and e <= LOOSE]
        rate: Any = getattr(self.part, "learning_rate", None)
        for each, _, e, c in rows if scaled else ():
            if e <= LOOSE and abs(c) > 1e-6 and abs(c - 1) > 1e-6 and "learning_rate" not in each.changes:
                name = "learning_rate" if isinstance(rate, float) and rate and c > 0 else "factor"
                x = float(c) * (rate if name == "learning_rate" else 1.0)
                # The factor carries the rounding of all updates: a round number near it may be the true one.
                found += [Hit({**each.changes, name: y}, float(e)) for y in dict.fromkeys((tidy(x), tidy(x, 1e-4)))]
        return found

    def settle(self, hits: list[Hit]) -> list[Hit]:
        """The smallest changes that hold in the goal's own precision, the best first; the nearest where none does."""
        close: list[Hit] = []
        for size in sorted({self.size(hit) for hit in hits}):
            chosen = _best_of_each(
                sorted((hit for hit in hits if self.size(hit) == size), key=lambda hit: hit.error), 2
            )
            forms = [form for hit in chosen[:_SHORTLIST] for form in self.forms(hit)]
            found = verify([changed(self.base, form.changes) for form in forms], self.goal)
            run = [form._replace(error=e) for form, e in zip(forms, found, strict=True)]
            # The rule's own way of rounding is no change: it goes first where it is good enough.
            run.sort(key=lambda hit: (hit.error > TOLERANCE, len(hit.changes), hit.error))
            if run[0].error <= TOLERANCE:
                return [hit for hit in _best_of_each(run, 1, self.counted) if hit.error <= TOLERANCE]
            close += run
        close = [hit for hit in close if hit.error <= LOOSE]
        return [min(close, key=lambda hit: (self.size(hit), hit.error))] if close else []

    def counted(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The changes without those that are a matter of rounding."""
        return {k: v for k, v in changes.items() if not same_formula(k, getattr(self.part, k, None), v)}

    def size(self, hit: Hit) -> tuple[int, int]:
        """How much is changed, and how much of that is no convention but a number."""
        counted = self.counted(hit.changes)
        return len(counted), sum(isinstance(value, float) for value in counted.values())

    def forms(self, hit: Hit) -> list[Hit]:
        """The same formula in each of its ways of rounding."""
        forms = [hit]
        for name, field in self.part._fields.items():
            value = hit.changes.get(name, getattr(self.part, name))
            others = [x for x in field.choices or () if x != value and same_formula(name, value, x)]
            forms += [Hit({**hit.changes, name: x}, hit.error) for x in others]
        return forms


def _best_of_each(hits: Iterable[Hit], n: int, counted: Any = dict) -> list[Hit]:
    """The first `n` hits for every set of changed fields."""
    best: dict[frozenset, list[Hit]] = {}
    for hit in hits:
        best.setdefault(frozenset(counted(hit.changes)), []).append(hit)
    return sorted((hit for found in best.values() for hit in found[:n]), key=lambda hit: hit.error)


def explain(base: Any, goal: Target, other: Any = None) -> Cause:
    """Searches the settings of `base` for the updates of the goal: one change, then two.

    Fewest changes win, then those of conventions before those of numbers, then the smallest error.
    """
    search = _Search(base, goal)
    values = singles(search.part, part_of(other))
    none, one, two = ([Tried({}, base)], *(list(candidates(base, values, n)) for n in (1, 2)))
    if len(two) * sum(u.size for u in goal.updates.values()) > _MOST_NUMBERS:
        two = []
    # What costs time is the number of formulas: two changes that need no new one come with the single ones.
    known = {jax.tree.structure(each.core) for each in (*none, *one)}
    near = [each for each in two if jax.tree.structure(each.core) in known]
    far = [each for each in two if jax.tree.structure(each.core) not in known]
    seen, ends = errors([*none, *one, *near], goal), np.cumsum([0, len(none), len(one), len(near)])
    of_none, of_one, of_near = (Errors(*(x[i:j] for x in seen)) for i, j in pairwise(ends))
    found = search.settle(search.hits(none, of_none, scaled=True) + search.hits(one, of_one))
    if not found or (found[0].error > TOLERANCE and found[0].changes):
        pairs = search.hits(near, of_near) + search.hits(one, of_one, scaled=True, plain=False)
        if far and not found:
            pairs += search.hits(far, errors(far, goal))
        better = search.settle(pairs)
        # One change close, but not to rounding: two are the answer only where they are far closer.
        found = better if better and (not found or better[0].error <= found[0].error / 4) else found
    if found:
        best, *ties = found
        return Cause(best.changes, changed(base, best.changes), best.error, sentence(search.part, best, ties))
    closest = int(np.argmin([*of_none.distance, *of_one.distance]))
    nearest, before = Hit([*none, *one][closest].changes, float(seen.plain[closest])), float(seen.plain[0])
    text = unexplained(search.part, nearest, before, nearest_other(search.part, goal, other))
    return Cause({}, changed(base, nearest.changes), nearest.error, text, explained=False)
