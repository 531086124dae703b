"""Finds another library's version by its dotted name. The one place that imports Optax."""

import dataclasses
import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import jax

from ..core import Rule, RuleState, Twin


def load(name: str) -> Any:
    """The object with this dotted name: `optax.adam`, `jax.nn.initializers.he_normal`."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def build(twin: Twin, rule: Rule) -> Any:
    """The twin with the settings of our rule, or a sentence that says why there is none."""
    arguments = twin.arguments(**fields(rule))
    return arguments if isinstance(arguments, str) else load(twin.name)(**arguments)


def fields(rule: Any) -> dict[str, Any]:
    """A rule's fields by name."""
    return {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}


def settings_of(make: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every keyword of a class or function by name: its default unless the settings say otherwise."""
    parameters = inspect.signature(make).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
    return {**defaults, **settings}


def find(state: Any, name: str) -> Any:
    """The field called `name` anywhere in an Optax state."""
    import optax

    return optax.tree.get(state, name)


def translate(twin: Twin, rule: Rule, state: Any, step: Any, params: Any) -> RuleState | None:
    """Our state that holds the same numbers as the twin's; None where they cannot be read there."""
    mine = rule.init(params)
    if mine.memory == ():
        return RuleState(step, ())
    values: Mapping[str, Any] = {}
    for name, empty in zip(mine.memory._fields, mine.memory, strict=True):
        if empty is None:
            values[name] = None
            continue
        if name not in twin.memory:
            return None
        where = twin.memory[name]
        values[name] = where(lambda field: find(state, field), fields(rule)) if callable(where) else find(state, where)
        values[name] = jax.tree.map(lambda new, old: new.astype(old.dtype), values[name], empty)
    return RuleState(step, type(mine.memory)(**values))
