"""Whether the examples of a batch go through a loss each on its own, up to a mean over them."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Tree, jaxpr as jx
from ._keeps import keeps
from ._program import Block, Ref, read_program
from ._trace import Traced

EACH = "each example"  # what a value holds along one of its axes; otherwise the weight of a sum over them, or:
NONE = None  # it is the same whatever the examples are
State = str | float | None


class _TogetherError(Exception):
    """An operation ties examples together, or is not known not to."""


def example_axes(traced: Traced, loss_fn: Callable, params: Tree, batch: Tree) -> dict[Ref, int] | None:
    """Of every value in a loss, the axis that holds the examples, if the loss is the mean of what each of them gives alone.

    The loss is traced for a batch of twice the size as well. Of every value, the axis that has doubled holds the examples;
    an operation is followed if it is known to keep them apart, and a sum over them may only be added to and multiplied
    from there on. In a mean it is divided by twice as much.

    Args:
        traced: the loss.
        loss_fn: the same, (params, batch) -> loss, or (loss, aux).
        params: what it was traced for.
        batch: likewise, at least one array, all with the same leading axis.

    Returns:
        None where it is no such mean, and where that is not known: after operations that are not followed, in while loops,
        across devices.
    """
    n = jnp.shape(jax.tree.leaves(batch)[0])[0]
    double = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2 * n, *jnp.shape(x)[1:]), jnp.result_type(x)), batch)
    try:
        twin = jax.make_jaxpr(loss_fn)(params, double)
    except Exception:  # whatever the user's function raises for a batch of another size
        return None
    states: list[State] = [*[NONE] * len(jax.tree.leaves(params)), *[EACH] * len(jax.tree.leaves(batch))]
    try:
        if _Walk(n).through(traced.closed, twin, states)[0] != 0.5:
            return None
        avals = [_avals(program) for program in (traced.program, read_program(twin))]
        found = {ref: _axis(aval, avals[1][ref], n) for ref, aval in avals[0].items()}
    except _TogetherError:
        return None
    return {ref: axis for ref, axis in found.items() if axis is not None}


def _avals(program: Block) -> dict[Ref, Any]:
    return {ref: aval for block in program.within() for ref, aval in block.avals.items()}


def _axis(aval: Any, twin: Any, n: int) -> int | None:
    """The axis that holds n examples here and 2 n in the twin; None where there is none."""
    if aval.shape == twin.shape:
        return None
    pairs = list(zip(aval.shape, twin.shape, strict=False))
    changed = [i for i, (a, b) in enumerate(pairs) if a != b]
    if len(aval.shape) != len(twin.shape) or len(changed) != 1 or pairs[changed[0]] != (n, 2 * n):
        raise _TogetherError
    return changed[0]


class _Walk:
    def __init__(self, n: int):
        self.n = n

    def through(self, closed: Any, twin: Any, states: list[State]) -> list[State]:
        """What the outputs are, from what the inputs are."""
        (jaxpr, consts), (other, others) = jx.open_jaxpr(closed), jx.open_jaxpr(twin)
        if len(jaxpr.eqns) != len(other.eqns) or any(_differ(a, b) for a, b in zip(consts, others, strict=False)):
            raise _TogetherError
        env = dict.fromkeys(jaxpr.constvars, NONE) | dict(zip(jaxpr.invars, states, strict=True))
        look = lambda x: NONE if isinstance(x, jx.Literal) else env[x]  # noqa: E731
        for eqn, same in zip(jaxpr.eqns, other.eqns, strict=True):
            env |= zip(eqn.outvars, self.after(eqn, same, [look(x) for x in eqn.invars]), strict=True)
        return [look(x) for x in jaxpr.outvars]

    def after(self, eqn: Any, twin: Any, states: list[State]) -> list[State]:
        name = eqn.primitive.name
        if name != twin.primitive.name:
            raise _TogetherError
        if not any(state != NONE for state in states):
            return [NONE] * len(eqn.outvars)
        pairs = zip(eqn.invars, twin.invars, strict=True)
        literals = [(x.val, y.val) for x, y in pairs if isinstance(x, jx.Literal)]
        sums = [state for state in states if isinstance(state, float)]
        inner = list(zip(jx.inner_jaxprs(eqn), jx.inner_jaxprs(twin), strict=True))
        if not (sums and not inner) and any(_differ(*pair) for pair in literals):
            raise _TogetherError
        if name == "scan":
            return self.turns(eqn, twin, states, *inner[0])
        if name == "cond":
            branches = [self.through(a, b, states[1:]) for a, b in inner]
            return [reduce(_join, each) for each in zip(*branches, strict=True)]
        if inner and (name in jx.CALLS or name in ("checkpoint", "remat", "remat2") or name.startswith("custom_jvp")):
            return self.through(*inner[0], states)
        if inner:  # a loop of unknown length, devices, or a backward pass of its own
            raise _TogetherError
        if sums:
            return [_weighed(name, states, literals, sums)] * len(eqn.outvars)
        where = [_axis(x.aval, y.aval, self.n) for x, y in zip(eqn.invars, twin.invars, strict=True)]
        axes = [i if state == EACH else None for i, state in zip(where, states, strict=True)]
        out = [_axis(x.aval, y.aval, self.n) for x, y in zip(eqn.outvars, twin.outvars, strict=True)]
        if None in out:  # they were summed up
            if name not in ("reduce_sum", "dot_general") or any(i is not None for i in out):
                raise _TogetherError
            return [1.0] * len(out)
        if not all(i is not None and keeps(eqn, axes, i) for i in out):
            raise _TogetherError
        return [EACH] * len(out)

    def turns(self, eqn: Any, twin: Any, states: list[State], body: Any, other: Any) -> list[State]:
        n, m = jx.scan_counts(eqn)
        m += n
        if eqn.params["length"] != twin.params["length"]:
            raise _TogetherError
        while True:  # until what is carried round is what it was said to be
            out = self.through(body, other, states)
            carry = [_join(a, b) for a, b in zip(states[n:m], out, strict=False)]
            if carry == states[n:m]:
                return [*carry, *out[m - n :]]
            states = [*states[:n], *carry, *states[m:]]


def _differ(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) == () and np.asarray(a).tobytes() != np.asarray(b).tobytes()  # NaN is itself


def _join(a: State, b: State) -> State:
    if NONE not in (a, b) and a != b:
        raise _TogetherError
    return b if a is NONE else a


def _weighed(name: str, states: list[State], literals: list[tuple], sums: list[float]) -> float:
    """The weight of a sum over examples after an operation that is linear in it."""
    (a, b) = map(float, literals[0]) if literals else (1.0, 1.0)
    if EACH in states or any(weight != sums[0] for weight in sums):
        raise _TogetherError
    if name in _AS_IT_IS or (name in ("add", "sub") and a == b):
        return sums[0]
    if len(sums) == 1 and a and b and (name == "mul" or (name == "div" and states[0] is not NONE)):
        return sums[0] * (b / a if name == "mul" else a / b)
    raise _TogetherError


_AS_IT_IS = frozenset({"neg", "convert_element_type", "reshape", "squeeze", "broadcast_in_dim", "copy", "reduce_sum"})
