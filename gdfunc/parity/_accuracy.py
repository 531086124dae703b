"""How many digits a rule keeps: each precision against float64, where rounding is hard."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Rule, path_name
from ..rules import record_of
from ._compare import TOLERANCE
from ._modes import Mode
from ._recorded import key, recorded
from ._run import rows, start, step
from ._stream import Stream, stream
from ._twins import build, fields

DTYPES = ("float32", "bfloat16", "float16")
LATE = 10**6
CASES = ("first step", "40 steps", "zero gradient", "denormal gradient", f"step {LATE}")


@dataclass(frozen=True)
class Accuracy:
    """One row of the table.

    Attributes:
        case: "first step"; "40 steps", the worst of the built-in stream; "zero gradient", from the start on; "denormal
            gradient", a quarter of the dtype's smallest normal number; "step 1000000".
        dtype: of gradients, parameters and state.
        ours: the error against the rule in float64 on the same numbers, in rounding errors of the dtype at the leaf's
            largest update; infinite where it is not finite, or moves where the exact one does not.
        theirs: witness -> the same of its updates, against our rule in float64.
    """

    case: str
    dtype: str
    ours: float
    theirs: Mapping[str, float]

    @property
    def as_accurate(self) -> bool:
        """Whether ours is at least as accurate as each witness, or within what the order of operations does."""
        return all(self.ours <= max(other, TOLERANCE) for other in self.theirs.values())


def accuracy(rule: Rule) -> tuple[Accuracy, ...]:
    """The error of a rule, and of its Optax twin, in float32, bfloat16 and float16, against the rule in float64.

    PyTorch's float32 stands beside where it was recorded at this setting.

    Args:
        rule: one of ours.

    Returns:
        A row for each case and dtype.

    Raises:
        ValueError: where it is no rule of ours.
    """
    if not isinstance(rule, Rule):
        raise ValueError(f"accuracy needs a rule of gdfunc's kind, and was given {rule!r}")
    known = record_of(rule)
    things, twin = {"ours": rule}, known.twin("optax") if known is not None else None
    found = []
    for dtype in DTYPES:
        if twin is not None and not isinstance(built := build(twin, rule), str):
            things[twin.name] = built
        cases = [_rounded(data, dtype) for data in _cases(dtype)]
        exact = _run({"ours": rule}, cases, Mode("float64", True))["ours"]
        seen = _run(things, cases, Mode(dtype, False))
        for i, case in enumerate(CASES):
            here = {name: _error(updates, exact, i, case, dtype) for name, updates in seen.items()}
            if case == "40 steps" and dtype == "float32" and known is not None:
                here |= _recorded(known, rule, exact, i)
            found.append(Accuracy(case, dtype, here.pop("ours"), here))
    return tuple(found)


def _cases(dtype: str) -> list[Stream]:
    data = stream()
    tiny = float(jnp.finfo(dtype).smallest_normal) / 4
    like = lambda f: data._replace(gradients={leaf: f(g) for leaf, g in data.gradients.items()})  # noqa: E731
    return [data, data, like(np.zeros_like), like(lambda g: tiny * np.sign(g)), data]


def _rounded(data: Stream, dtype: str) -> Stream:
    """The stream in numbers that the dtype holds exactly."""
    to = lambda tree: {leaf: np.asarray(jnp.asarray(x, dtype), np.float64) for leaf, x in tree.items()}  # noqa: E731
    values = np.asarray(jnp.asarray(data.values, dtype), np.float64)
    return Stream(to(data.gradients), to(data.params), values, to(data.curvatures))


def _run(things: Mapping[str, Any], cases: list[Stream], at: Mode) -> dict[str, dict[str, np.ndarray]]:
    """Thing -> leaf -> updates (cases, steps, ...), all cases as one program."""
    with at():
        inputs = jax.tree.map(lambda *xs: jnp.stack(xs), *(rows(data, at) for data in cases))
        first = jnp.asarray([LATE - 1 if case == CASES[-1] else 0 for case in CASES], jnp.int32)

        def one(inputs, first):
            states = jax.tree_util.tree_map_with_path(
                lambda path, x: jnp.maximum(x, first.astype(x.dtype)) if _counts(path, x) else x, start(things, inputs)
            )
            return jax.lax.scan(lambda states, row: step(things, states, row), states, inputs)[1]

        return jax.tree.map(lambda x: np.asarray(x, np.float64), jax.jit(jax.vmap(one))(inputs, first))


def _counts(path: tuple, x: Any) -> bool:
    """Whether a leaf of a state is the count of steps: ours, or Optax's of any name."""
    return x.ndim == 0 and jnp.issubdtype(x.dtype, jnp.integer) and path_name(path).endswith(("step", "count", "/t"))


def _error(updates: Mapping[str, Any], exact: Mapping[str, Any], case: int, name: str, dtype: str) -> float:
    worst, info = 0.0, jnp.finfo(dtype)
    for leaf in exact:
        x, y = updates[leaf][case], exact[leaf][case]
        if name == "first step":
            x, y = x[:1], y[:1]
        size = max(float(np.max(np.abs(y))), float(info.smallest_normal))
        off = np.where(np.isfinite(x), np.abs(np.where(np.isfinite(x), x, 0.0) - y), np.inf)
        worst = max(worst, float(np.max(off)) / (float(info.eps) * size))
    return worst


def _recorded(known: Any, rule: Rule, exact: Mapping[str, Any], case: int) -> dict[str, float]:
    """PyTorch's error, where this setting is one of the record's."""
    for settings in known.settings:
        if known.make(**settings) != rule:
            continue
        for twin in (twin for twin in known.twins if twin.library == "torch"):
            if isinstance(twin.arguments(**fields(rule)), str):
                continue
            found = recorded(key("rules", known.name, twin.name, settings, "float32"))
            if found is not None:
                there = {leaf: exact[leaf][case : case + 1] for leaf in found}
                theirs = {leaf: x[None].astype(np.float64) for leaf, x in found.items()}
                return {twin.name: _error(theirs, there, 0, CASES[case], "float32")}
    return {}
