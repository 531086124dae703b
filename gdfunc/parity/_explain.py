"""Every named quantity of a rule's formula, step by step: the formula's own local variables, read when it returns."""

import dataclasses
import dis
import sys
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import ArrayRule, Rule, TreeRule, Twin, Wrapper, call_update
from ..rules import record_of
from ._stream import extras
from ._twins import build, find


@dataclasses.dataclass(frozen=True)
class Step:
    """One update.

    Attributes:
        t: 1 for the first.
        gradient: what the rule was given.
        quantities: name in the formula -> value, in the order in which the formula computes them; "update" last.
        twin: the same for what the Optax twin exposes: our name -> its value.
    """

    t: int
    gradient: np.ndarray
    quantities: dict[str, np.ndarray]
    twin: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Trace:
    """All steps of one rule on one parameter.

    Attributes:
        rule: the rule.
        steps: one entry an update.
        twin_name: Optax's name of the same rule; "" where it has none.
        twin_fields: our name -> the field of Optax's state.
        why_no_twin: why there is nothing beside it.
    """

    rule: Rule
    steps: tuple[Step, ...]
    twin_name: str = ""
    twin_fields: dict[str, str] = dataclasses.field(default_factory=dict)
    why_no_twin: str = ""


def trace(rule: Rule, gradients: Iterable[Any], params: Any = None) -> Trace:
    """Runs `rule` operation by operation on the gradients of one parameter and keeps what its formula names.

    Args:
        rule: a rule with a formula of its own: an `ArrayRule`, `TreeRule` or `Wrapper`.
        gradients: one number or array a step, all of one shape.
        params: the parameter, shaped as a gradient; zeros if not given. It moves by the updates.

    Returns:
        A `Trace`.

    Raises:
        ValueError: where the rule is a combinator, there is no gradient, or their shapes differ.
    """
    if not isinstance(rule, (ArrayRule, TreeRule, Wrapper)):
        raise ValueError(f"explain needs a rule with one formula, and was given {rule!r}")
    try:
        gs = [jnp.asarray(g, jnp.result_type(float)) for g in gradients]
    except (TypeError, ValueError) as error:
        raise ValueError(f"explain needs gradients, one number or array a step, and was given {gradients!r}") from error
    if not gs or len({g.shape for g in gs}) != 1:
        raise ValueError(f"explain needs gradients of one shape, and was given shapes {[g.shape for g in gs]}")
    p = jnp.zeros_like(gs[0]) if params is None else jnp.asarray(params, gs[0].dtype)
    if p.shape != gs[0].shape:
        raise ValueError(f"explain needs params shaped as a gradient, {gs[0].shape}, and was given {p.shape}")
    twin, theirs, why = _twin_of(rule)
    state: Any = rule.init(p)
    twin_state, steps = theirs.init(p) if twin else None, []
    for i, g in enumerate(gs):
        # A rule that asks for more than a gradient is given a loss of 1 with curvature 1.
        extra = extras(jnp.ones((), p.dtype), g, p, jnp.ones_like(p), jax.random.fold_in(jax.random.key(0), i))
        quantities, beside = named(rule, g, state, p, extra), {}
        u, state = rule.update(g, state, p, **extra)
        if twin:
            their_u, twin_state = call_update(theirs, g, twin_state, p, extra)
            for ours, field in twin.memory.items():
                if isinstance(field, str) and (value := find(twin_state, field)) is not None:
                    beside[ours] = np.asarray(value)
            beside["update"] = np.asarray(their_u)
        steps.append(Step(i + 1, np.asarray(g), {**quantities, "update": np.asarray(u)}, beside))
        p = p + u
    names = {ours: field for ours, field in twin.memory.items() if isinstance(field, str)} if twin else {}
    return Trace(rule, tuple(steps), twin.name if twin else "", names, why)


def _twin_of(rule: Rule) -> tuple[Twin | None, Any, str]:
    """The Optax twin's record, the twin with this rule's settings, and where there is none, why."""
    known = record_of(rule)
    if known is None:
        return None, None, "no record of this rule"
    twin = known.twin("optax")
    if twin is None:
        return None, None, known.no_twin.get("optax", "Optax has none")
    theirs = build(twin, rule)
    return (None, None, theirs) if isinstance(theirs, str) else (twin, theirs, "")


def named(
    rule: Any, g: Any, state: Any, p: Any, extra: Mapping[str, Any] | None = None, leaf: str | None = None
) -> dict[str, np.ndarray]:
    """The local variables of the rule's `step`, by name, in the formula's order.

    `g` is one array, or a dictionary of which `leaf` is looked at where the formula sees the whole tree.
    """
    codes = {vars(cls)["step"].__code__ for cls in type(rule).__mro__ if "step" in vars(cls)}
    seen: dict[str, Any] = {}

    def watch(frame, event, _):
        if event == "return" and frame.f_code in codes:
            found = frame.f_locals
            seen.update({name: found[name] for name in _stored(frame.f_code) if name in found and name not in seen})

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        rule.update(g, state, p, **(extra or {}))
    finally:
        sys.setprofile(before)
    numbers = {name: x.get(leaf) if isinstance(x, dict) else x for name, x in seen.items()}
    return {
        name: np.asarray(x)
        for name, x in numbers.items()
        if isinstance(x, (int, float, np.ndarray, jax.Array)) and name != "u" and not _is_key(x)
    }


def _stored(code: CodeType) -> list[str]:
    """The names that a function gives values to, in the order of its text; none of its arguments."""
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    found = []
    for instruction in dis.get_instructions(code):
        at = instruction.positions
        if instruction.opname.startswith("STORE_") and at is not None:
            names = instruction.argval  # one, or from Python 3.13 on two
            for name in names if isinstance(names, tuple) else (names,):
                if name not in arguments:
                    local = code.co_varnames.index(name) if name in code.co_varnames else 0
                    found.append((at.lineno or 0, at.col_offset or 0, local, name))
    return list(dict.fromkeys(name for *_, name in sorted(found)))


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jax.dtypes.prng_key)
