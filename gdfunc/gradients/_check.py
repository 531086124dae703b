"""A gradient held against its function, and where it is wrong."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from ..core import Tree, check_params, leaf_paths
from ._compared import CheckedLeaf, Compared, GradientCheck, Verdict
from ._given import scalar, widened
from ._probe import Probe, probe

_WORST: tuple[Verdict, ...] = ("not finite", "wrong", "kink")


def check(
    f: Callable[..., Array], params: Tree, *args: Any, entries: int = 100, directions: int = 2, seed: int = 0
) -> GradientCheck:
    r"""Compares `jax.grad` of f with differences of its values: which leaf and which entry is wrong, and by how much.

    $$\langle \nabla f(p), v \rangle \;\overset?=\; \frac{d}{dt} f(p + t v) \Big|_{t=0} \pm \text{error}$$

    For gradients that somebody wrote: a `custom_vjp`, a `custom_jvp`, a `stop_gradient`, a kernel. In each leaf v is the
    leaf's own gradient (so that an error of all entries shows), random signs, and in small leaves each entry. Where a
    direction disagrees it is halved until the wrong entry, or the shortest range that still shows the error, is found.

    The derivative is Richardson's at six steps, each with an error that is measured, from doubled steps and from the noise of
    f's values; a gradient is wrong that the three best of them agree on. An error smaller than theirs is not seen: each leaf
    tells how large that is. In float32 one wrong entry among thousands may be missed; float64 (`with jax.enable_x64(True)`)
    finds it. A point at which the slopes of both sides differ, as relu at 0, or no further from one than the
    smallest step, is called a kink, and is no error as long as the gradient is about between the two. Where f itself rounds
    (bfloat16 inside, `jnp.round`) it is stairs, and a gradient of the function before the rounding is not its own.

    Args:
        f: (params, *args) -> (), as a loss (params, batch) -> ().
        params: a pytree of real floating-point arrays: in float64 where x64 is on and f takes it, else in at least float32.
        *args: what else f takes: the batch.
        entries: leaves of up to so many entries are compared entry by entry too.
        directions: how many random ones.
        seed: of those.

    Returns:
        A `GradientCheck`; `ok` is False where a gradient is wrong or not finite.

    Raises:
        ValueError: where a leaf is no real floating-point array, or f no finite real scalar at `params`.
    """
    check_params(params, "check")
    params, args = widened(f, params, args)
    p, unravel = ravel_pytree(params)
    line = lambda q: scalar("check", f)(unravel(q), *args)  # noqa: E731
    value, g = jax.jit(jax.value_and_grad(line))(p)
    if not math.isfinite(value):
        raise ValueError(f"check needs f to be finite at params, and it is {value}")
    signs = 2 * np.random.default_rng(seed).integers(0, 2, (directions, p.size)) - 1
    whole = jnp.nan_to_num(g, posinf=0, neginf=0)
    bases = [whole, *(jnp.asarray(row, p.dtype) for row in signs)]
    ones = jnp.ones_like(p)
    # What is smaller than a thousandth of the gradient counts for nothing in a step.
    least = float(jnp.linalg.norm(whole)) / 1000
    found, start = [], 0
    for path, leaf in zip(leaf_paths(params), jax.tree.leaves(params), strict=True):
        view = _View(path, leaf.shape, start, partial(probe, line, p, g))
        scale = max(float(jnp.linalg.norm(whole[start : start + leaf.size])), least)
        found.append(_check_leaf(view, np.asarray(g[start : start + leaf.size]), bases, ones, entries, scale))
        start += leaf.size
    return GradientCheck(tuple(found), str(p.dtype))


def assert_gradients(f: Callable[..., Array], params: Tree, *args: Any, **options: Any) -> None:
    """Asserts that `jax.grad` of f is right at `params`, as far as `check` sees.

    Args:
        f: (params, *args) -> (), as a loss (params, batch) -> ().
        params: a pytree of real floating-point arrays.
        *args: what else f takes: the batch.
        **options: `entries`, `directions`, `seed` of `check`.

    Raises:
        AssertionError: naming the leaf, the entry, both numbers and by how much they differ.
        ValueError: as `check`.
    """
    found = check(f, params, *args, **options)
    if not found.ok:
        raise AssertionError(str(found))


@dataclass(frozen=True)
class _View:
    """A leaf's part of the flat parameters."""

    path: str
    shape: tuple[int, ...]
    first: int
    probe: Callable

    def compare(self, base: Array, start: int, stop: int) -> Compared:
        """Along the part of a direction that moves the leaf's entries from `start` to before `stop`."""
        found = self.probe(base, self.first + start, self.first + stop)
        return Compared(self.path, self._where(start, stop), _verdict(found), **found._asdict())

    def narrowed(self, base: Array, start: int, stop: int) -> Compared:
        """The shortest part of a direction that shows what the whole does, by halving."""
        found = self.compare(base, start, stop)
        if found.verdict not in ("wrong", "kink"):
            return found
        while stop - start > 1:
            middle = (start + stop) // 2
            halves = [(self.compare(base, *part), part) for part in ((start, middle), (middle, stop))]
            row, (start, stop) = max(halves, key=_how_bad)
            # A half that does not show it may hold an entry that does: of what a shorter part moves each has more.
            found = row if row.verdict in ("wrong", "kink") else found
        return found

    def _where(self, start: int, stop: int) -> str:
        if not self.shape:
            return "its one number"
        first, last = (str(tuple(int(i) for i in np.unravel_index(k, self.shape))) for k in (start, stop - 1))
        return first if stop - start == 1 else f"{first} to {last}"


def _verdict(found: Probe) -> Verdict:
    if not math.isfinite(found.gradient):
        return "not finite"
    if not math.isfinite(found.error):
        return "undecided"
    # A kink is noise to the differences: their error is more than half of its jump.
    if abs(found.gradient - found.slope) > found.error:
        return "wrong"
    return "kink" if found.kink else "right"


def _how_bad(half: tuple[Compared, tuple[int, int]]) -> tuple[bool, bool, float]:
    row, _ = half
    return row.verdict == "wrong", row.verdict == "kink", abs(row.gradient - row.slope) / row.error


def _check_leaf(view: _View, g: np.ndarray, bases: list[Array], ones: Array, entries: int, scale: float) -> CheckedLeaf:
    each = range(g.size) if g.size <= entries else [int(i) for i in np.flatnonzero(~np.isfinite(g))[:1]]
    rows = [view.compare(ones, i, i + 1) for i in each]
    bad = [row for row in rows if row.verdict in _WORST]
    whole = view.compare(bases[0], 0, g.size)
    if not bad:
        bad = [row for base in bases if (row := view.narrowed(base, 0, g.size)).verdict in _WORST]
    sees = whole.sees / scale if scale > 0 else math.inf
    verdict: Verdict = "right" if sees < 0.1 else "undecided"
    for row in sorted(bad, key=lambda row: -_WORST.index(row.verdict)):
        verdict = row.verdict
    return CheckedLeaf(view.path, verdict, len(rows) + len(bases), sees, tuple(dict.fromkeys(bad)))
