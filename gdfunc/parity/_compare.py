"""Are two update rules the same, and if not, where do they part?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Transformation, call_update
from ._modes import Mode, mode as find_mode
from ._stream import STEPS, Stream, extras, stream

TOLERANCE = 8.0  # in rounding errors: what two orders of the same operations may differ by over some tens of steps

Updates = Mapping[str, np.ndarray]  # leaf path -> (steps, ...)


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

    @property
    def agrees(self) -> bool:
        """Whether the error is within the tolerance."""
        return bool(self.error <= self.tolerance)

    def __str__(self) -> str:
        if self.agrees:
            return f"{self.first} and {self.second} agree to {self.error:.2g} rounding errors of {self.mode}"
        if self.why:
            return f"{self.first} and {self.second} differ: {self.why}"
        assert self.values is not None
        text = (
            f"{self.first} and {self.second} part at step {self.step}, leaf {self.leaf!r}, index {self.index}: "
            f"{self.values[0]:.9g} against {self.values[1]:.9g}; in all by {self.error:.3g} rounding errors of {self.mode}"
        )
        if self.late:
            return f"{text}. The second is {self.late} step late: moved back by it, most of its entries agree"
        return text


def compare(
    first: Any,
    second: Any,
    *,
    precision: str = "float32",
    steps: int = STEPS,
    seed: int = 0,
    gradients: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    jit: bool = True,
    tolerance: float = TOLERANCE,
    names: tuple[str, str] | None = None,
) -> Comparison:
    """Gives two rules the same gradients and says whether their updates agree, and if not, where they part first.

    Both see the same recorded gradients and parameters at every step; only their own memories evolve. The error is
    counted in rounding errors of the leaf's largest update over the run: entry by entry, or in units of the last place
    of the parameter, it would blow up wherever a number crosses zero. NaN agrees with nothing.

    Args:
        first: a rule, or anything with Optax's `init` and `update`.
        second: another.
        precision: "float32", "float32 (x64)" (with 64-bit types enabled, which changes Optax's results) or "float64".
        steps: the length of the built-in stream of gradients.
        seed: another seed, another stream.
        gradients: your own: leaf path -> array (steps, ...), finite.
        params: with them the parameters, shaped alike; zeros if not given.
        jit: run as one compiled scan; False runs operation by operation.
        tolerance: in rounding errors.
        names: what the answer calls the two; their own descriptions if not given.

    Returns:
        A `Comparison`; print it for a sentence.

    Raises:
        ValueError: where one of the two is not a transformation, or the streams do not match.
    """
    for thing in (first, second):
        if not isinstance(thing, Transformation) or isinstance(thing, type):
            raise ValueError(f"compare needs rules or transformations with init and update, and was given {thing!r}")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"compare needs steps >= 1, and was given steps={steps!r}")
    if gradients is None and params is not None:
        raise ValueError("compare needs gradients where params are given: the built-in stream has its own")
    data = stream(seed, steps) if gradients is None else _own_stream(gradients, params)
    at = find_mode(precision)
    a, b = (run(thing, data, at, jit) for thing in (first, second))
    return difference(a, b, at, names=names or (describe(first), describe(second)), tolerance=tolerance)


def describe(thing: Any) -> str:
    """A rule prints itself; an Optax transformation is named after the function that made it."""
    if hasattr(thing, "_fields") and not isinstance(thing, tuple):
        return repr(thing)
    name = getattr(getattr(thing, "update", None), "__qualname__", type(thing).__name__)
    return f"an Optax {name.partition('.')[0]}" if "<locals>" in name else name


def run(thing: Any, data: Stream, at: Mode, jit: bool = True) -> Updates:
    """The updates of one transformation on a stream, in the stream's mode."""
    return run_all({"it": thing}, data, at, jit)["it"]


def run_all(things: Mapping[str, Any], data: Stream, at: Mode, jit: bool = True) -> dict[str, Updates]:
    """Runs several transformations side by side on one stream, as one program where `jit`."""
    with at():
        numbers = (data.values, dict(data.gradients), dict(data.params), dict(data.curvatures))
        inputs = (*jax.tree.map(lambda x: jnp.asarray(x, at.dtype), numbers), data.keys())

        def step(states, row):
            _, g, p, *_ = row
            results = {name: call_update(thing, g, states[name], p, extras(*row)) for name, thing in things.items()}
            return {name: state for name, (_, state) in results.items()}, {name: u for name, (u, _) in results.items()}

        def start():
            p = jax.tree.map(lambda x: x[0], inputs[2])
            return {name: thing.init(p) for name, thing in things.items()}

        if jit:
            out = jax.jit(lambda inputs: jax.lax.scan(step, start(), inputs)[1])(inputs)
            return jax.tree.map(np.asarray, out)
        states, rows = start(), []
        for t in range(data.steps):
            states, row = step(states, jax.tree.map(lambda x, t=t: x[t], inputs))
            rows.append(row)
        return jax.tree.map(lambda *xs: np.stack([np.asarray(x) for x in xs]), *rows)


def amplification(a: Updates, b: Updates, at: Mode) -> float:
    """What one rounding of the gradients does to a rule, in rounding errors of its largest update: 1 or more."""
    return max(1.0, difference(a, b, at, names=("", "")).error)


def difference(
    a: Updates,
    b: Updates,
    at: Mode,
    names: tuple[str, str],
    tolerance: float = TOLERANCE,
    amplification: float = 1.0,
) -> Comparison:
    """Two streams of updates against each other; `b` is the witness, whose size times `amplification` is the unit."""
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
        unit = (
            amplification
            * at.eps
            * max(np.max(np.abs(y), initial=0.0, where=np.isfinite(y)), np.finfo(at.dtype).tiny / at.eps)
        )
        finite = np.isfinite(x) & np.isfinite(y)
        error = np.where(finite, np.abs(np.where(finite, x, 0) - np.where(finite, y, 0)) / unit, np.inf)
        worst = max(worst, float(np.max(error, initial=0.0)))
        over = np.argwhere(error > tolerance)
        if len(over):
            parts.append((int(over[0][0]), leaf, tuple(int(i) for i in over[0][1:])))
    if not parts:
        return Comparison(**base, error=worst)
    step, leaf, index = min(parts)
    values = (float(a[leaf][(step, *index)]) + 0.0, float(b[leaf][(step, *index)]) + 0.0)  # -0 reads as 0
    return Comparison(
        **base, error=worst, step=step + 1, leaf=leaf, index=index, values=values, late=_late(a, b, at, tolerance)
    )


def _late(a: Updates, b: Updates, at: Mode, tolerance: float) -> int:
    """1 where b one step later is a in at least two thirds of the entries that differ in place; else 0."""
    differ, agree = 0, 0
    for leaf in a:
        x, y = np.asarray(a[leaf], np.float64), np.asarray(b[leaf], np.float64)
        unit = tolerance * at.eps * max(float(np.max(np.abs(y), initial=0.0)), 1e-300)
        apart = np.abs(x[:-1] - y[:-1]) > unit
        differ += int(apart.sum())
        agree += int((apart & (np.abs(x[:-1] - y[1:]) <= unit)).sum())
    return int(differ > 0 and agree >= 2 / 3 * differ)


def _own_stream(gradients: Mapping[str, Any], params: Mapping[str, Any] | None) -> Stream:
    for name, given in (("gradients", gradients), ("params", params or {})):
        if not isinstance(given, Mapping) or any(np.asarray(x).dtype.kind not in "fiu" for x in given.values()):
            raise ValueError(
                f"compare needs {name} as a mapping of leaf path -> real array, and was given {given!r:.80}"
            )
    g = {name: np.asarray(x, np.float64) for name, x in gradients.items()}
    if not g or any(x.ndim == 0 for x in g.values()) or len({len(x) for x in g.values()}) != 1:
        shapes = {name: x.shape for name, x in g.items()}
        raise ValueError(f"compare needs gradients (steps, ...) with one number of steps, and was given {shapes}")
    if not all(np.all(np.isfinite(x)) for x in g.values()):
        raise ValueError("compare needs finite gradients, and was given NaN or infinity")
    p = {name: np.zeros_like(x) for name, x in g.items()} if params is None else params
    p = {name: np.asarray(x, np.float64) for name, x in p.items()}
    if {name: x.shape for name, x in g.items()} != {name: x.shape for name, x in p.items()}:
        raise ValueError("compare needs params shaped as gradients, (steps, ...) a leaf")
    zeros = {name: np.zeros_like(x) for name, x in g.items()}
    return Stream(g, p, np.zeros(len(next(iter(g.values())))), zeros)
