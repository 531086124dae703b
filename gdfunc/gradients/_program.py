"""A loss as a straight list of steps: calls are opened, what the loss does not need is left out."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import jaxpr as jx

Ref = int  # a value's name, unique in the program


@dataclass(frozen=True)
class Use:
    """A value as a step takes it: through operations that add or drop axes of length 1, which are not shown."""

    ref: Ref
    layouts: tuple[Any, ...] = ()

    def __call__(self, value: Any) -> Any:
        for eqn in self.layouts:
            (value,) = jx.bind(eqn, [value])
        return value


@dataclass(frozen=True)
class Step:
    """One operation; an input is a `Use` or, where it is a number in the program, a literal."""

    eqn: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Ref, ...]

    @property
    def uses(self) -> list[Use]:
        return [x for x in self.inputs if isinstance(x, Use)]

    def given(self, values: dict[Ref, Any]) -> list[Any]:
        """The inputs in numbers."""
        return [x(values[x.ref]) if isinstance(x, Use) else x.val for x in self.inputs]


@dataclass
class Program:
    """The inputs (the parameters first), the steps that lead to the loss, and the values that hang on no input."""

    inputs: list[Ref]
    constants: dict[Ref, Any]
    steps: list[Step]
    loss: Any
    varying: set[Ref]  # the parameters, and what smooth functions make of them: only they are given gradients


# Each keeps the entries and their order; hidden where it also keeps the lengths other than 1.
_LAYOUTS = ("reshape", "squeeze", "expand_dims", "broadcast_in_dim", "convert_element_type", "copy", "copy_p", "name")
_OPENED = jx.CALLS | {"checkpoint", "remat", "remat2"}
_JAX = (jax.nn, jnp, jnp.linalg, jax.scipy.special)


def read_program(closed: Any, params: int) -> Program:
    """The steps of a closed jaxpr whose first output is the loss and whose first `params` inputs are parameters."""
    jaxpr, consts = jx.open_jaxpr(closed)
    reader = _Reader(itertools.count())
    inputs = [next(reader.fresh) for _ in jaxpr.invars]
    reader.varying |= set(inputs[:params])
    (loss, *_) = reader.read(jaxpr, consts, [Use(ref) for ref in inputs])
    needed = {loss.ref} if isinstance(loss, Use) else set()
    steps = []
    for step in reversed(reader.steps):
        if needed & set(step.outputs):
            needed |= {use.ref for use in step.uses}
            steps.append(step)
    return Program(inputs, reader.constants, steps[::-1], loss, reader.varying)


class _Reader:
    def __init__(self, fresh: Iterator[Ref]):
        self.fresh = fresh
        self.steps: list[Step] = []
        self.constants: dict[Ref, Any] = {}
        self.varying: set[Ref] = set()

    def read(self, jaxpr: Any, consts: list, inputs: list) -> list:
        """Adds the steps of a program with these inputs, and gives its outputs."""
        env = dict(zip(jaxpr.invars, inputs, strict=True))
        env |= {v: self.constant(x) for v, x in zip(jaxpr.constvars, consts, strict=True)}
        for eqn in jaxpr.eqns:
            taken = [v if isinstance(v, jx.Literal) else env[v] for v in eqn.invars]
            env |= dict(zip(eqn.outvars, self.add(eqn, taken), strict=True))
        return [v if isinstance(v, jx.Literal) else env[v] for v in jaxpr.outvars]

    def constant(self, value: Any) -> Use:
        ref = next(self.fresh)
        self.constants[ref] = value
        return Use(ref)

    def add(self, eqn: Any, taken: list) -> list:
        """Adds the steps of an equation, and gives its outputs."""
        uses = [x for x in taken if isinstance(x, Use)]
        if all(use.ref in self.constants for use in uses):
            return [self.constant(x) for x in jx.bind(eqn, Step(eqn, tuple(taken), ()).given(self.constants))]
        varies = any(use.ref in self.varying for use in uses)
        if eqn.primitive.name in _OPENED and varies and not _known(eqn):
            return self.read(*jx.open_jaxpr(jx.inner_jaxprs(eqn)[0]), taken)
        if _is_layout(eqn):
            (use,) = uses
            return [Use(use.ref, (*use.layouts, eqn))]
        outputs = tuple(next(self.fresh) for _ in eqn.outvars)
        self.steps.append(Step(eqn, tuple(taken), outputs))
        if varies and eqn.primitive.name != "stop_gradient":
            self.varying |= {
                ref for ref, v in zip(outputs, eqn.outvars, strict=True) if jnp.issubdtype(v.aval.dtype, jnp.inexact)
            }
        return [Use(ref) for ref in outputs]


def _is_layout(eqn: Any) -> bool:
    if eqn.primitive.name not in _LAYOUTS or len(eqn.invars) != 1:
        return False
    before, after = eqn.invars[0].aval, eqn.outvars[0].aval
    lengths = [[n for n in aval.shape if n != 1] for aval in (before, after)]
    return before.dtype == after.dtype and lengths[0] == lengths[1]


def _known(eqn: Any) -> bool:
    """Whether a call is of a function of JAX's own, as `jax.nn.silu`, which is one step; layers are opened."""
    name = jx.called_name(eqn).lstrip("_")
    own = bool(name) and name != "where" and any(hasattr(module, name) for module in _JAX)  # a where is a select
    return own and len(eqn.outvars) == 1 and not _weighs(eqn)


def _weighs(eqn: Any) -> bool:
    return eqn.primitive.name in ("dot_general", "conv_general_dilated") or any(
        _weighs(inner) for each in jx.inner_jaxprs(eqn) for inner in jx.open_jaxpr(each)[0].eqns
    )


def as_input(leaf: Any, aval: Any) -> Array:
    """A leaf as the program takes it."""
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(np.asarray(leaf), aval.dtype)
