"""Where on a tape numbers stopped being finite: from the outcome back to what made it so."""

from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..core import jaxpr as jx
from ._tape import Step, Tape, inexact


def blame(tape: Tape, targets: Iterable[int]) -> tuple[list[tuple[Step, list[int]]], dict[int, np.ndarray]]:
    """The steps that the targets go back to, in the order of the run, each with its inputs at fault; the bad entries."""
    entries = {n: bad_entries(tape.values[n]) for n in targets}
    steps = []
    for step in reversed(tape.steps):
        if any(n in entries for n in step.outputs):
            causes = _causes(tape, step, entries)
            entries |= {n: entries.get(n, False) | mine for n, mine in causes.items()}
            steps.append((step, list(causes)))
    return steps[::-1], entries


def _causes(tape: Tape, step: Step, entries: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The inputs at fault: without whose bad entries the outcome is better, or else which alone make it bad."""
    bad = {n: bad_entries(tape.values[n]) for n in step.inputs}
    theirs = [entries[n] for n in step.outputs if n in entries]
    if step.eqn is not None and jx.is_pointwise(step.eqn):  # only through the same entries
        alike = lambda mine: all(e.shape == mine.shape for e in theirs)  # noqa: E731
        bad = {n: mine & np.any(theirs, axis=0) if alike(mine) else mine for n, mine in bad.items()}
    bad = {n: mine for n, mine in bad.items() if mine.any()}

    def harm(change: Callable[[int, Any], Any]) -> int:
        out = step.run([change(n, tape.values[n]) for n in step.inputs])
        mine = [numbers_of(x)[entries[n]] for n, x in zip(step.outputs, out, strict=True) if n in entries]
        return sum(int((~np.isfinite(x)).sum() + np.isnan(x).sum()) for x in mine)  # a NaN is worse

    if not bad:
        return {}
    before = harm(lambda n, x: x)
    found = [n for n in bad if harm(lambda m, x, n=n: _mended(x) if m == n else x) < before]
    if not found:  # there is enough without any one of them, as in inf + inf
        found = [n for n in bad if harm(lambda m, x, n=n: _mended(x, kept=bad_entries(x) & (m == n)))]
    return {n: bad[n] for n in found}


def numbers_of(x: Any) -> np.ndarray:
    """As NumPy computes with: of 32 bits or more, a complex number by its absolute value."""
    x = jnp.abs(x) if jnp.iscomplexobj(x) else x
    return np.asarray(x.astype(jnp.float32) if x.dtype.itemsize < 4 else x)


def bad_entries(x: Any) -> np.ndarray:
    return ~np.isfinite(numbers_of(x)) if inexact(x) else np.zeros(x.shape, bool)


def _mended(x: Any, kept: np.ndarray | None = None) -> Any:
    """Ordinary numbers in place of NaN and infinities, or of all but the entries that are kept."""
    if not inexact(x):
        return x
    # One half: in the domain of roots, logarithms and inverse functions, and no zero to divide by.
    return jnp.where(jnp.isfinite(x) if kept is None else kept, x, jnp.asarray(0.5, x.dtype))
