"""A frozen dataclass that is a pytree of its numbers: what rules and schedules are made of.

Numbers are leaves, so `jax.vmap` and `jax.grad` reach them and changing one recompiles nothing. Conventions (fields
annotated `Literal`, `bool`, `int` or `str`) are static: another choice is another program.
"""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeAlias, dataclass_transform

import jax
import numpy as np

from ._field import Field, as_float, check_field, read_field, show


@jax.tree_util.register_pytree_node_class
class _Opaque:
    """Holds what JAX cannot trace (a plain function, another library's transformation) as a node without leaves."""

    def __init__(self, value: Any):
        self.value = value

    def tree_flatten(self):
        return (), self.value

    @classmethod
    def tree_unflatten(cls, value, _):
        return cls(value)


def _is_opaque(x: Any) -> bool:
    return not isinstance(x, Fields) and (callable(x) or (hasattr(x, "init") and hasattr(x, "update")))


def _wrap(value: Any) -> Any:
    if isinstance(value, (float, int, jax.Array)):
        return value
    return jax.tree.map(lambda x: _Opaque(x) if _is_opaque(x) else x, value, is_leaf=_is_opaque)


def _unwrap(value: Any) -> Any:
    if isinstance(value, (float, int, jax.Array)):
        return value
    is_opaque = lambda x: isinstance(x, _Opaque)  # noqa: E731
    return jax.tree.map(lambda x: x.value if is_opaque(x) else x, value, is_leaf=is_opaque)


class Fields:
    """Base of every class made by `pytree_dataclass`: checks on construction, equality, hash, printing."""

    _fields: ClassVar[dict[str, Field]] = {}

    def __post_init__(self) -> None:
        for name, field in self._fields.items():
            value = getattr(self, name)
            check_field(type(self).__name__, name, value, field)
            if not field.static and not callable(value):
                object.__setattr__(self, name, jax.tree.map(as_float, value, is_leaf=_is_opaque))

    def at(self, step: Any) -> Self:
        """This object with every schedule replaced by its value at `step` (0 for the first update)."""
        values = {name: getattr(self, name) for name in self._fields}
        if not any(callable(value) for value in values.values()):
            return self
        return _build(type(self), {name: v(step) if callable(v) else v for name, v in values.items()})

    def __repr__(self) -> str:
        shown = (
            f"{f.name}={show(getattr(self, f.name))}"
            for f in dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
            if not (self._fields[f.name].static and getattr(self, f.name) == f.default)
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        mine, structure = jax.tree.flatten(self)
        theirs, other_structure = jax.tree.flatten(other)
        return structure == other_structure and all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))

    def __hash__(self) -> int:
        leaves, structure = jax.tree.flatten(self)
        # By value, as equality: 0.5 in any dtype, and 0 of either sign.
        values = ((np.shape(leaf), (np.asarray(leaf, np.float64) + 0.0).tobytes()) for leaf in leaves)
        return hash((type(self), structure, *values))


def _build(cls: type, values: dict[str, Any]) -> Any:
    """An instance without checks: JAX fills the fields with tracers, gradients and placeholders."""
    new = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(new, name, value)
    return new


@dataclass_transform(frozen_default=True)
def pytree_dataclass(cls: type) -> Any:
    """Makes a subclass of `Fields` a frozen dataclass and a pytree: numbers are leaves, conventions are static."""
    cls = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {f.name: read_field(hints[f.name]) for f in dataclasses.fields(cls)}
    cls._fields = fields
    leaves = tuple(name for name, field in fields.items() if not field.static)
    static = tuple(name for name, field in fields.items() if field.static)

    def flatten(x):
        return tuple(_wrap(getattr(x, name)) for name in leaves), tuple(getattr(x, name) for name in static)

    def flatten_with_keys(x):
        children, aux = flatten(x)
        return tuple(zip(map(jax.tree_util.GetAttrKey, leaves), children, strict=True)), aux

    def unflatten(aux, children):
        values = {name: _unwrap(child) for name, child in zip(leaves, children, strict=True)}
        return _build(cls, {**values, **dict(zip(static, aux, strict=True))})

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def in_axes(fields: Any) -> Any:
    """The `in_axes` that maps over every array among the numbers of a rule or schedule, and over no scalar.

    `jax.vmap(f, in_axes=(in_axes(rules),))(rules)` with `rules = Adam(learning_rate=jnp.array([1e-3, 1e-2]))` runs
    `f` for both rates as one program.

    Args:
        fields: a rule or schedule some of whose numbers are arrays of one common leading length.

    Returns:
        The same object with 0 where a field is an array and None where it is a scalar.

    Raises:
        ValueError: where no number is an array: there is nothing to map over.
    """
    if not any(np.ndim(leaf) for leaf in jax.tree.leaves(fields)):
        raise ValueError(f"in_axes needs at least one array among the numbers of {fields!r}, and found only scalars")
    return jax.tree.map(lambda leaf: 0 if np.ndim(leaf) else None, fields)


Schedule: TypeAlias = Callable[[Any], Any]
