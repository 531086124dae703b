"""A rule with other settings, and with slips that are no setting: a sign, a decay in the wrong place, a step too late."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Fields, Rule, Scalar, chain, pytree_dataclass, rule
from ..rules import AddDecayedWeights

Changes = Mapping[str, Any]


@rule
class Adjusted(ArrayRule):
    r"""What stands behind a rule: $u \leftarrow c\,u - s\,p$, a constant factor and a share of the parameter."""

    factor: Scalar = 1.0
    share: Scalar = 0.0

    needs = ("params",)

    def step(self, g, memory, p, t):
        return self.factor * g - self.share * p, memory


@rule
class Late(ArrayRule):
    r"""What stands behind a rule whose updates come one step late: $u_t \leftarrow u_{t-1}$, first 0."""

    class Memory(NamedTuple):
        last: Array  # the update before

    def start(self, p):
        return self.Memory(jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        return memory.last, self.Memory(g)


@pytree_dataclass
class Shifted(Fields):
    """A schedule read `by` steps later than it should be."""

    schedule: Any
    by: int

    def __call__(self, step: Any) -> Any:
        return self.schedule(jnp.maximum(step - self.by, 0))


def part_of(thing: Any) -> Any:
    """The rule whose settings may be changed: the thing itself, or the last of a chain; None without a formula."""
    parts = thing.parts if getattr(thing, "word", "") == "chain" else (thing,)
    return parts[-1] if parts and isinstance(parts[-1], Rule) and hasattr(parts[-1], "step") else None


def with_fields(base: Any, changes: Changes) -> Any:
    """The rule with those of the changes that are fields.

    Raises:
        ValueError: where the rule allows no such value.
    """
    part = part_of(base)
    own = {name: value for name, value in changes.items() if name in part._fields}
    if ("l2" in changes or "decoupled" in changes) and "weight_decay" in part._fields:
        own["weight_decay"] = 0.0
    new = dataclasses.replace(part, **own) if own else part
    return new if part is base else chain(*base.parts[:-1], new)


def changed(base: Any, changes: Changes) -> Any:
    """The rule with all of the changes: a chain with it where one is no field."""
    parts = [with_fields(base, changes)]
    if "l2" in changes:
        parts = [AddDecayedWeights(changes["l2"]), *parts]
    if "factor" in changes or "decoupled" in changes:
        parts.append(Adjusted(changes.get("factor", 1.0), changes.get("decoupled", 0.0)))
    if "late" in changes:
        parts.append(Late())
    return parts[0] if len(parts) == 1 else chain(*parts)
