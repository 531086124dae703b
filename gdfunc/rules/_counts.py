"""What rules that count, skip or keep numbers for the whole tree share."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, wide


def check_count(rule: Any, name: str) -> None:
    """Raises ValueError unless the field is 1 or more."""
    if getattr(rule, name) < 1:
        raise ValueError(f"{type(rule).__name__} needs {name} >= 1, and was given {name}={getattr(rule, name)}")


def scalar(x: Any, params: Tree) -> Array:
    """`x` as a () array in the parameters' precision, at least float32: with x64 on it would else be float64."""
    return jnp.asarray(x, wide(jnp.zeros((), jnp.result_type(*jax.tree.leaves(params)))).dtype)


def update_if(condition: Array, update: Any, grads: Tree, state: Any, params: Tree | None) -> tuple[Tree, Any]:
    """The inner rule's update where the condition holds; else zero updates and its state as it was, for no work."""

    def make():
        updates, new = update(grads, state, params)
        # Optax's states may change their types under x64.
        return updates, jax.tree.map(
            lambda new, old: new.astype(old.dtype) if new.dtype != old.dtype else new, new, old
        )

    def skip():
        return jax.tree.map(jnp.zeros_like, grads), old

    old = jax.tree.map(jnp.asarray, state)
    return jax.lax.cond(condition, make, skip)
