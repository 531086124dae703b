"""Whether a function is analytic, as the complex step needs: seen in its program."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import jaxpr as jx

_NOT_ANALYTIC = ("conj", "sign")  # besides what takes complex numbers to real ones: abs, real, imag


def check_analytic(f: Callable[[Array], Any], t: Array) -> None:
    """Raises ValueError where f cannot be run with complex numbers inside, or has an operation with no complex derivative."""
    need = "finite_difference with method='complex' needs f to take complex numbers"
    try:
        closed, out = jax.make_jaxpr(f, return_shape=True)(t)
    except (TypeError, ValueError, NotImplementedError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{need}, and it raised {type(error).__name__}: {first}") from error
    for eqn in _equations(closed):
        name, line = eqn.primitive.name, jx.source_line(eqn)
        to_real = jnp.floating in _kinds(eqn.outvars)
        if jnp.complexfloating in _kinds(eqn.invars) and (to_real or name in _NOT_ANALYTIC):
            raise ValueError(f"{need}, and {name!r}{f' at {line}' if line else ''} has no complex derivative")
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.complexfloating):
        raise ValueError(f"{need} and return one, of shape (), and it returned {out}")


def _equations(jaxpr: Any) -> list:
    found = []
    for eqn in jx.open_jaxpr(jaxpr)[0].eqns:
        inner = jx.inner_jaxprs(eqn)
        found += [each for one in inner for each in _equations(one)] if inner else [eqn]
    return found


def _kinds(variables: Any) -> set:
    """Which kinds of numbers these are."""
    dtypes = [v.aval.dtype for v in variables if hasattr(v.aval, "dtype")]
    return {kind for dtype in dtypes for kind in (jnp.complexfloating, jnp.floating) if jnp.issubdtype(dtype, kind)}
