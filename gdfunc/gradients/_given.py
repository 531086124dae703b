"""What the functions of this folder are given: f(params, *args) -> (), and directions in the parameters' space."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, check_alike, check_params


def scalar(who: str, f: Callable[..., Any]) -> Callable[..., Array]:
    """`f`, which raises ValueError where it returns no real floating-point scalar."""

    def checked(*given: Any) -> Any:
        value = f(*given)
        if not hasattr(value, "dtype") and not isinstance(value, float):
            hint = "; of (loss, aux) it takes the loss alone" if isinstance(value, tuple) else ""
            raise ValueError(f"{who} needs f to return a scalar, and it returned a {type(value).__name__}{hint}")
        if jnp.shape(value) != () or not jnp.issubdtype(jnp.result_type(value), jnp.floating):
            raise ValueError(
                f"{who} needs f to return a real floating-point scalar of shape (), and it returned "
                f"{jnp.result_type(value)} of shape {jnp.shape(value)}"
            )
        return value

    return checked


def as_direction(who: str, params: Tree, v: Tree, name: str = "v") -> Tree:
    """`v` in the dtypes of `params`; ValueError names the first leaf where the two differ."""
    check_params(params, who)
    check_alike(who, **{"params": params, name: v})
    return cast_like(params, v)


def cast_like(like: Tree, v: Tree) -> Tree:
    """`v`, each leaf in the dtype of its counterpart."""
    return jax.tree.map(lambda p, x: jnp.asarray(x, jnp.result_type(p)), like, v)


def widened(f: Callable[..., Any], params: Tree, args: tuple) -> tuple[Tree, tuple]:
    """(params, args) in float64 where x64 is on, in at least float32 else; as given, where f does not take that."""

    def widen(x: Any) -> Any:
        if hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.floating):
            return jnp.asarray(x, jnp.promote_types(x.dtype, jnp.result_type(float)))
        return x

    found = jax.tree.map(lambda x: widen(jnp.asarray(x)), params), jax.tree.map(widen, args)
    try:
        jax.eval_shape(lambda p: f(p, *found[1]), found[0])
    except TypeError:  # operations that take no two precisions at once
        return jax.tree.map(jnp.asarray, params), args
    return found
