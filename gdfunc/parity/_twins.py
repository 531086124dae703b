"""Finds another library's version by its dotted name. The one place that imports Optax."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import jax

from ..core import Rule, RuleState, Twin, Wrapper, WrapperState, call_update
from ..rules._records._common import optax_parts


def load(name: str) -> Any:
    """The object with this dotted name: `optax.adam`, `jax.nn.initializers.he_normal`."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def build(twin: Twin, rule: Rule) -> Any:
    """The twin with the settings of our rule, or a sentence that says why there is none."""
    arguments = twin.arguments(**fields(rule))
    if isinstance(arguments, str):
        return arguments
    make, arguments = load(twin.name), {name: in_optax(value) for name, value in arguments.items()}
    return make(**arguments) if twin.call is None else twin.call(make, **arguments)


def in_optax(value: Any) -> Any:
    """A rule of ours among a twin's arguments as Optax's own; whatever else, as it is."""
    parts = optax_parts(value)
    if isinstance(parts, str):
        raise ValueError(f"a twin's arguments need rules that Optax has too: {parts}")
    built = [build(*part) if isinstance(part, tuple) else part for part in parts or ()]
    return value if parts is None else built[0] if len(built) == 1 else load("optax.chain")(*built)


def fields(rule: Any) -> dict[str, Any]:
    """A rule's fields by name; none where it is no dataclass."""
    if not dataclasses.is_dataclass(rule):
        return {}
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


def translate(twin: Twin, rule: Rule, state: Any, step: Any, params: Any) -> RuleState | WrapperState | None:
    """Our state that holds the same numbers as the twin's; None where they cannot be read there."""
    mine = rule.init(params)
    memory = () if mine.memory == () else _memory(twin, rule, state, mine.memory)
    if memory is None or not isinstance(rule, Wrapper):
        return None if memory is None else RuleState(step, memory)
    parts = optax_parts(rule.inner)
    if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], tuple):
        return None
    inside, its_rule = parts[0]
    inner = translate(inside, its_rule, state, step, params)
    return None if inner is None else WrapperState(step, memory, inner)


def _memory(twin: Twin, rule: Rule, state: Any, empty_memory: Any) -> Any:
    """Our memory with the numbers of the twin's state; None where they cannot be read there."""
    values: Mapping[str, Any] = {}
    for name, empty in zip(empty_memory._fields, empty_memory, strict=True):
        if empty is None:
            values[name] = None
            continue
        if name not in twin.memory:
            return None
        where = twin.memory[name]
        values[name] = where(lambda field: find(state, field), fields(rule)) if callable(where) else find(state, where)
        values[name] = jax.tree.map(lambda new, old: new.astype(old.dtype), values[name], empty)
    return type(empty_memory)(**values)


class Some:
    """A twin on the leaves that it takes."""

    def __init__(self, twin: Any, takes: Callable[[tuple[int, ...]], bool] | None):
        self.twin, self.takes = twin, takes

    def of(self, tree: Any) -> Any:
        """The leaves of a stream's tree that the twin takes."""
        return tree if self.takes is None else {leaf: x for leaf, x in tree.items() if self.takes(x.shape)}

    def init(self, params):
        return self.twin.init(self.of(params))

    def update(self, grads, state, params, **extra):
        return call_update(self.twin, self.of(grads), state, self.of(params), extra)
