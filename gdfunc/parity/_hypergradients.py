"""Derivatives with respect to hyperparameters: ours, Optax's, and the difference quotient."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Rule
from ..rules import record_of
from ._modes import MODES
from ._run import rows, scan
from ._stream import Stream, stream
from ._twins import build

STEPS = 8  # RAdam's rectification sets in at the fifth or sixth


@dataclasses.dataclass(frozen=True)
class HyperGradient:
    """The derivative of one number (a fixed weighted sum of all updates) with respect to one hyperparameter.

    Attributes:
        field: the hyperparameter.
        ours: by `jax.grad` through our rule, in float64.
        theirs: the same through the Optax twin; None where it has none, or takes no traced number there.
        quotient: the central difference quotient of ours; one-sided at the end of the range.
        noise: how uncertain the quotient is.
    """

    field: str
    ours: float
    theirs: float | None
    quotient: float
    noise: float

    @property
    def agrees(self) -> bool:
        """Whether ours is finite and the difference quotient."""
        return bool(abs(self.ours - self.quotient) <= 1e-5 * abs(self.quotient) + self.noise)

    @property
    def theirs_agrees(self) -> bool | None:
        """The same of the twin's against ours."""
        if self.theirs is None:
            return None
        return bool(abs(self.theirs - self.ours) <= 1e-5 * abs(self.ours) + self.noise)


def hypergradients(rule: Rule) -> tuple[HyperGradient, ...]:
    """The derivative of a rule's updates with respect to each of its numbers, three ways.

    The number differentiated is a sum of all updates on the first steps of the built-in stream, each entry with a weight
    of its own; in float64.

    Args:
        rule: one of ours.

    Returns:
        One entry a number, in the order of the fields.

    Raises:
        ValueError: where it is no rule of ours, or a number is a schedule.
    """
    if not isinstance(rule, Rule) or not dataclasses.is_dataclass(rule):
        raise ValueError(f"hypergradients needs a rule of gdfunc's kind, and was given {rule!r}")
    names = [
        name for name, field in rule._fields.items() if field.range is not None and getattr(rule, name) is not None
    ]
    for name in names:
        if callable(getattr(rule, name)):
            raise ValueError(f"hypergradients needs numbers, and was given {name}={getattr(rule, name)!r}")
    known = record_of(rule)
    twin = None if known is None else known.twin("optax")
    data = stream().first(STEPS)
    with MODES[-1]():  # float64
        ours = _total(data, lambda numbers: dataclasses.replace(rule, **numbers))
        at = {name: jnp.asarray(getattr(rule, name), jnp.float64) for name in names}
        slopes = jax.grad(ours)(at)
        program = jax.jit(ours)
        theirs = _slopes_of_twin(data, twin, rule, at) if twin is not None else {}
        found = []
        for name in names:
            limits = rule._fields[name].range
            assert limits is not None
            quotient, noise = _quotient(program, at, name, limits.low)
            found.append(HyperGradient(name, float(slopes[name]), theirs.get(name), quotient, noise))
    return tuple(found)


def _total(data: Stream, make: Callable[[dict], Any]) -> Callable[[dict], Any]:
    inputs = rows(data, MODES[-1])

    def total(numbers: dict) -> Any:
        leaves = jax.tree.leaves(scan({"it": make(numbers)}, inputs)[1])
        flat = jnp.concatenate([u.ravel() for u in leaves])
        return jnp.sum(flat * jnp.cos(jnp.arange(flat.size)))

    return total


def _slopes_of_twin(data: Stream, twin: Any, rule: Rule, at: dict) -> dict[str, float]:
    if isinstance(build(twin, rule), str):
        return {}
    found = {}
    for name in at:
        make = lambda number, name=name: build(twin, dataclasses.replace(rule, **{name: number[name]}))  # noqa: E731  # pyright: ignore[reportArgumentType]
        try:
            slope = jax.jit(jax.grad(_total(data, make)))({name: at[name]})[name]
        except (TypeError, ValueError, jax.errors.JAXTypeError):  # Optax compares this number in Python
            continue
        found[name] = float(slope)
    return found


def _quotient(total: Callable[[dict], Any], at: dict, name: str, low: float) -> tuple[float, float]:
    """(difference quotient, its uncertainty): of steps a decade apart the two whose quotients differ least, rounding included.

    A step has to be small beside every scale of the formula (eps, where v is 0) and large beside rounding.
    """
    there = lambda x: float(total({**at, name: jnp.asarray(x, jnp.float64)}))  # noqa: E731
    x = float(at[name])
    quotients, steps = [], (abs(x) or 1.0) * 10.0 ** -np.arange(4, 13)
    for h in steps:
        if x > low:
            quotients.append((there(x + h) - there(x - h)) / (2 * h))
        else:  # the end of its range: forward, of second order
            quotients.append((4 * there(x + h) - there(x + 2 * h) - 3 * there(x)) / (2 * h))
    rounding = 32 * np.finfo(np.float64).eps * (1 + abs(there(x))) / steps[1:]
    uncertain = np.abs(np.diff(quotients)) + rounding
    best = int(np.argmin(uncertain))
    return quotients[best + 1], float(uncertain[best])
