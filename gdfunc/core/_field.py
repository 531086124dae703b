"""One field of a rule or schedule: the numbers or choices that it may hold, and errors that say what was given."""

import types
import typing
from collections.abc import Hashable
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


class Range(NamedTuple):
    """The interval a hyperparameter must lie in; `low_open` and `high_open` exclude the ends."""

    low: float = -np.inf
    high: float = np.inf
    low_open: bool = False
    high_open: bool = False

    def holds(self, x: np.ndarray) -> bool:
        above = x > self.low if self.low_open else x >= self.low
        below = x < self.high if self.high_open else x <= self.high
        return bool(np.all(np.isfinite(x) & above & below))

    def words(self, name: str) -> str:
        low = "" if self.low == -np.inf else f"{self.low:g} {'<' if self.low_open else '<='} "
        high = "" if self.high == np.inf else f" {'<' if self.high_open else '<='} {self.high:g}"
        if low and not high:
            return f"{name} {'>' if self.low_open else '>='} {self.low:g}"
        return f"{low}{name}{high}" if low or high else f"{name} to be finite"


# A leaf is a number, an array (to be mapped over) or a schedule; formulas see a number, hence Any.
Scalar: TypeAlias = Annotated[Any, Range()]
Rate: TypeAlias = Annotated[Any, Range(low=0.0)]  # 0 is allowed: schedules end there
NonNegative: TypeAlias = Annotated[Any, Range(low=0.0)]
Positive: TypeAlias = Annotated[Any, Range(low=0.0, low_open=True)]
Decay: TypeAlias = Annotated[Any, Range(low=0.0, high=1.0, high_open=True)]  # an exponential average's memory
Fraction: TypeAlias = Annotated[Any, Range(low=0.0, high=1.0)]


class Field(NamedTuple):
    """What an annotation says of a field."""

    static: bool
    optional: bool
    choices: tuple | None = None  # of a convention
    kind: type = float  # of a static field without choices
    range: Range | None = None  # of a number


def read_field(annotation: Any) -> Field:
    """The annotation of a rule's field, read."""
    options = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else ()
    optional = type(None) in options
    if optional:
        annotation = next(option for option in options if option is not type(None))
    if typing.get_origin(annotation) is Literal:
        return Field(True, optional, choices=typing.get_args(annotation))
    if annotation is bool:
        return Field(True, optional, choices=(True, False))
    if annotation in (int, str):
        return Field(True, optional, kind=annotation)
    ranges = [extra for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, Range)]
    return Field(False, optional, range=ranges[0] if ranges else None)


def check_field(who: str, name: str, value: Any, field: Field) -> None:
    """Raises ValueError where `value` is none that the field may hold."""
    if value is None and field.optional:
        return
    if field.static:
        if field.choices is not None:
            good, needed = (
                value in field.choices if isinstance(value, Hashable) else False,
                " or ".join(map(repr, field.choices)),
            )
        else:
            good, needed = isinstance(value, field.kind) and not isinstance(value, bool), _WORDS[field.kind]
        if not good:
            raise ValueError(f"{who} needs {name} to be {needed}, and was given {name}={value!r}")
        return
    if field.range is None or isinstance(value, Tracer) or callable(value):
        return
    if not _is_real(value):
        raise ValueError(
            f"{who} needs {name} to be a real number, an array of them or a schedule, and was given {name}={value!r}"
        )
    if not np.all(np.isfinite(np.asarray(value, np.float64))):
        raise ValueError(f"{who} needs {name} to be finite, and was given {name}={show(value)}")
    if not field.range.holds(np.asarray(value, np.float64)):
        raise ValueError(f"{who} needs {field.range.words(name)}, and was given {name}={show(value)}")


_WORDS = {int: "a whole number", str: "a word"}


def _is_real(x: Any) -> bool:
    if isinstance(x, bool) or not isinstance(x, (int, float, np.number, np.ndarray, jax.Array)):
        return False
    if isinstance(x, np.ndarray) and x.dtype.kind in "OSUM":  # JAX has no such arrays, and says so itself
        return False
    dtype = jnp.result_type(x)
    return bool(jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer))


def as_float(x: Any) -> Any:
    """The number as a float: `jax.grad` takes no integers, and Adam(1) is kept as Adam(1.0)."""
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return float(x)
    if isinstance(x, (np.ndarray, jax.Array)) and jnp.issubdtype(x.dtype, jnp.integer):
        return x.astype(jnp.result_type(float))
    return x


def show(value: Any) -> str:
    """The value as messages and `repr` print it."""
    if isinstance(value, Tracer) or not isinstance(value, (np.ndarray, np.number, jax.Array)):
        return repr(value)
    if np.ndim(value) == 0:
        return f"{float(value):.6g}" if jnp.issubdtype(value.dtype, jnp.floating) else str(value)
    return np.array2string(np.asarray(value, np.float64), precision=4, separator=", ", threshold=8)
