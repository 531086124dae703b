"""Runs many settings of a rule at once, and measures how far each is from recorded updates."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import ArrayRule, chain
from ..rules import AddDecayedWeights
from ._candidates import Tried
from ._divergence import Comparison, unit
from ._modes import Mode, mode
from ._run import Updates, rows, run_all, scan
from ._stream import Stream

_SLIPS = ("l2", "decoupled", "late")  # a factor is fitted
_SHAPES = ((7,), (257, 131))  # matrices may be treated otherwise, from some size on
_STEPS, _NUMBERS = 40, 4000  # of one candidate's updates: enough to tell two rules apart
_MIXING = {"sort", "cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp", "rev", "gather", "scatter", "dynamic_slice"}


class Target(NamedTuple):
    """What is to be explained: one side's updates, the stream that they were made on, and what counts as rounding.

    Attributes:
        data: gradients and parameters.
        updates: leaf -> (steps, ...).
        units: leaf -> one rounding error, for each entry or for all.
        at: the precision of the updates.
    """

    data: Stream
    updates: Updates
    units: dict[str, np.ndarray]
    at: Mode


class Errors(NamedTuple):
    """Of each candidate, in rounding errors.

    Attributes:
        plain: its error.
        scaled: its error once it is multiplied by the factor that fits best.
        factor: that factor.
        distance: the root of its mean square error then: which of two is more alike, where both are far off.
    """

    plain: np.ndarray
    scaled: np.ndarray
    factor: np.ndarray
    distance: np.ndarray


def target(base: Any, data: Stream, updates: Updates, at: Mode, sizes: dict[str, float], seen: Comparison) -> Target:
    """The steps up to the first divergence and some more, and as long as all is finite.

    Where the rule treats every entry alike, all leaves are one vector: a small program, and few entries are enough.
    """
    assert seen.step is not None
    finite = [np.isfinite(x).reshape(len(x), -1).all(1) for x in (*updates.values(), *data.gradients.values())]
    steps = min(int(np.cumprod(np.all(finite, 0)).sum()), max(_STEPS, seen.step + 10))
    data, updates = data.first(steps), {leaf: np.asarray(u[:steps]) for leaf, u in updates.items()}
    units = {leaf: np.asarray(unit(u, at, sizes.get(leaf, 0.0))) for leaf, u in updates.items()}
    if not elementwise(base):
        return Target(data, updates, units, at)
    places = np.concatenate([np.full(u[0].size, i) for i, u in enumerate(updates.values())])
    own = int(np.flatnonzero(places == list(updates).index(seen.leaf or ""))[0])
    if seen.index:
        own += int(np.ravel_multi_index(seen.index, updates[seen.leaf or ""].shape[1:]))
    kept = np.unique([own, *np.linspace(0, len(places) - 1, min(1 + _NUMBERS // steps, len(places))).astype(int)])
    flat = lambda tree: {"all": np.concatenate([tree[leaf].reshape(steps, -1) for leaf in updates], 1)[:, kept]}  # noqa: E731
    vector = Stream(flat(data.gradients), flat(data.params), data.values, flat(data.curvatures))
    return Target(vector, flat(updates), {"all": np.stack(list(units.values()))[places[kept]]}, at)


def elementwise(rule: Any) -> bool:
    """Whether the rule treats every entry of an array alike: no operation of its formula brings entries together."""
    if getattr(rule, "word", "") == "chain":
        return all(map(elementwise, rule.parts))
    if not isinstance(rule, ArrayRule) or not set(rule.needs) <= {"params"}:
        return False
    for shape in _SHAPES:
        p = jax.ShapeDtypeStruct(shape, np.float32)
        try:
            program = jax.make_jaxpr(lambda g, p: rule.update(g, rule.init(p), p))(p, p)
        except ValueError:  # needs a matrix
            return False
        if not all(_keeps_apart(equation, shape) for equation in _equations(program.jaxpr)):
            return False
    return True


def _equations(program: Any) -> Iterator[Any]:
    for equation in program.eqns:
        inner = [
            x for value in equation.params.values() for x in (value if isinstance(value, (tuple, list)) else [value])
        ]
        inner = [getattr(x, "jaxpr", x) for x in inner if hasattr(getattr(x, "jaxpr", x), "eqns")]
        if not inner:
            yield equation
        for each in inner:
            yield from _equations(each)


def _keeps_apart(equation: Any, whole: tuple[int, ...]) -> bool:
    shape = lambda x: getattr(x.aval, "shape", ())  # noqa: E731
    if all(shape(x) == () for x in equation.invars):
        return True
    return equation.primitive.name not in _MIXING and all(shape(x) == whole for x in equation.outvars)


def errors(tried: Sequence[Tried], goal: Target) -> Errors:
    """Runs every candidate in float64, those of one formula as one mapped program over their numbers.

    In float64 rules that differ in rounding only are one, and a number has the same value mapped or not.
    """
    exact, groups = mode("float64"), by_formula(tried)
    with exact():
        inputs = rows(goal.data, exact)
        wanted, units = (
            {k: jnp.asarray(x, jnp.float64) for k, x in tree.items()} for tree in (goal.updates, goal.units)
        )

        def measure(rule: Any, slips: Any, inputs: Any, wanted: Any, units: Any):
            l2, share, late = slips
            ours = scan({"it": chain(AddDecayedWeights(l2), rule)}, inputs)[1]["it"]
            ours = jax.tree.map(lambda u, p: u - share * p, ours, inputs[2])
            ours = jax.tree.map(lambda u: jnp.where(late > 0, jnp.roll(u, 1, 0).at[0].set(0), u), ours)
            x, y = (jnp.concatenate([(u[k] / units[k]).reshape(-1) for k in wanted]) for u in (ours, wanted))
            factor = jnp.vdot(x, y) / jnp.maximum(jnp.vdot(x, x), jnp.finfo(x.dtype).tiny)
            worst = lambda e: jnp.where(jnp.all(jnp.isfinite(e)), jnp.max(jnp.abs(e)), jnp.inf)  # noqa: E731
            distance = jnp.sqrt(jnp.mean((factor * x - y) ** 2))
            return worst(x - y), worst(factor * x - y), factor, jnp.where(jnp.isfinite(distance), distance, jnp.inf)

        def every(columns: Any, *given: Any):
            for structure, (leaves, slips) in zip(groups, columns, strict=True):
                one = lambda x, s, structure=structure: measure(jax.tree.unflatten(structure, x), s, *given)  # noqa: E731
                yield jax.vmap(one)(leaves, slips)

        columns = []
        for members in groups.values():
            leaves = zip(*(jax.tree.leaves(tried[i].core) for i in members), strict=True)
            slips = zip(*([tried[i].changes.get(name, 0.0) for name in _SLIPS] for i in members), strict=True)
            columns.append(tuple([jnp.asarray(x, jnp.float64) for x in part] for part in (leaves, slips)))
        program = jax.jit(lambda *given: list(every(*given))).lower(columns, inputs, wanted, units)
        # It runs once and on few numbers: compiling it well would take longer than it gains.
        found = program.compile(compiler_options={"xla_backend_optimization_level": "0"})(
            columns, inputs, wanted, units
        )
    order = np.argsort([i for members in groups.values() for i in members])
    return Errors(*(np.concatenate([np.asarray(part[k]) for part in found])[order] for k in range(4)))


def by_formula(tried: Sequence[Tried]) -> dict[Any, list[int]]:
    """The candidates' places by their conventions: each group is one program, mapped over its numbers."""
    groups: dict[Any, list[int]] = {}
    for i, each in enumerate(tried):
        groups.setdefault(jax.tree.structure(each.core), []).append(i)
    return groups


def verify(tried: Sequence[Any], goal: Target) -> list[float]:
    """The errors of some rules run as they are, in the precision of the updates."""
    updates = run_all({str(i): rule for i, rule in enumerate(tried)}, goal.data, goal.at)
    found = []
    for each in updates.values():
        apart = [
            np.abs(each[leaf].astype(np.float64) - u.astype(np.float64)) / goal.units[leaf]
            for leaf, u in goal.updates.items()
        ]
        worst = max(float(np.max(x, initial=0.0)) for x in apart)
        found.append(worst if np.isfinite(worst) else np.inf)
    return found
