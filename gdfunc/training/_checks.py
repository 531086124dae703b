"""Checks and preparations of what `train` is given."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import Transformation, Tree, check_params
from ._stopping import StopRule


def whole(name: str, value: Any, least: int, who: str = "train") -> int:
    """`value` as an int, or ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise ValueError(f"{who} needs {name} to be a whole number >= {least}, and was given {name}={value!r}")
    return number


def check_rule(rule: Any) -> None:
    """Raises ValueError unless `rule` has `init` and `update`."""
    if not isinstance(rule, Transformation) or isinstance(rule, type):
        raise ValueError(f"train needs a rule (an object with init and update), and was given {rule!r}")


def check_stop(stop: Sequence[StopRule]) -> tuple[StopRule, ...]:
    """The stopping rules as a tuple, or ValueError."""
    rules = (stop,) if isinstance(stop, StopRule) else tuple(stop)
    for one in rules:
        if not isinstance(one, StopRule):
            raise ValueError(
                f"train needs stop to be a list of stopping rules (Target(0.1), ...), and was given {one!r}"
            )
    return rules


def check_program(program: Any) -> None:
    """Raises ValueError where a compiled program could not be found again for these functions."""
    for name in ("loss_fn", "measure", "transformation"):
        value = getattr(program, name)
        if name == "loss_fn" and not callable(value):
            raise ValueError(f"train needs loss_fn to be a function of (params, batch), and was given {value!r}")
        try:
            hash(value)
        except TypeError:
            raise ValueError(
                f"train needs {'the rule' if name == 'transformation' else name} to be hashable, since its "
                f"compiled program is stored under it, and was given a {type(value).__name__}; wrap it in "
                "a function (or a frozen dataclass)"
            ) from None


def owned(tree: Tree) -> Tree:
    """Copies that may be donated, one for each leaf, none weakly typed."""
    return jax.tree.map(_copy, tree)


def owned_params(params: Tree) -> Tree:
    """`owned`, for real floating-point parameters only."""
    check_params(params, "train")
    return owned(params)


def _copy(x: Any) -> Array:
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return jnp.copy(x)
    return jnp.array(x, dtype=jnp.result_type(x), copy=True)


def as_key(key: Any) -> Array:
    """A typed key from an int seed or either kind of JAX key."""
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return jax.random.key(int(key))
    if isinstance(key, jax.Array) and key.shape == () and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    if isinstance(key, (jax.Array, np.ndarray)) and key.dtype == np.uint32 and key.shape == (2,):
        return jax.random.wrap_key_data(jnp.asarray(key))
    raise ValueError(f"train needs key to be an int seed or one JAX key, and was given {key!r}")
