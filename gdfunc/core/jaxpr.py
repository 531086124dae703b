"""What differs between JAX's releases in how a traced program is read: all of it is here."""

from typing import Any

import jax
from jax import lax
from jax.extend import core as jex

Literal: type = jex.Literal
# Each entry of what these give comes from the same entry of what they take.
POINTWISE = frozenset({
    "abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil",
    "clamp", "convert_element_type", "copy", "copy_p", "cos", "cosh", "div", "eq", "erf", "erf_inv", "erfc", "exp",
    "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p", "logistic", "lt", "max",
    "min", "mul", "name", "ne", "neg", "not", "or", "pow", "rem", "round", "rsqrt", "select_n", "sign", "sin",
    "sinh", "sqrt", "square", "stop_gradient", "sub", "tan", "tanh",
})  # fmt: skip
CALLS = frozenset({"jit", "pjit", "closed_call", "core_call"})


def open_jaxpr(jaxpr: Any) -> tuple[Any, list]:
    """(jaxpr, its constants), whether the two come as one object (closed) or apart."""
    if hasattr(jaxpr, "consts"):
        return jaxpr.jaxpr, list(jaxpr.consts)
    return jaxpr, []


def bind(eqn: Any, values: list) -> list:
    """What the equation gives for these inputs, as a list."""
    given = eqn.primitive.get_bind_params(eqn.params)
    functions, params = given if isinstance(given, tuple) else ((), given)  # a pair before 0.11
    with eqn.ctx.manager:
        out = eqn.primitive.bind(*functions, *values, **params)
    return list(out) if eqn.primitive.multiple_results else [out]


def inner_jaxprs(eqn: Any) -> list[Any]:
    """The programs inside an equation: a loop's body, a branch each, a called function."""
    found = (value for name, value in eqn.params.items() if name in _INNER)
    return [each for value in found for each in (value if isinstance(value, (tuple, list)) else (value,))]


_INNER = ("jaxpr", "call_jaxpr", "branches", "body_jaxpr")


def is_pointwise(eqn: Any) -> bool:
    """Whether each entry of what it gives comes from the same entry of what it takes."""
    inner = inner_jaxprs(eqn)
    if not inner:
        return eqn.primitive.name in POINTWISE or (
            eqn.primitive.name == "broadcast_in_dim" and all(v.aval.shape == () for v in eqn.invars)
        )
    called = eqn.primitive.name in CALLS or eqn.primitive.name.startswith("custom_")
    return called and all(is_pointwise(e) for each in inner for e in open_jaxpr(each)[0].eqns)


def called_name(eqn: Any) -> str:
    """The name of the function that an equation calls; "" where it calls none."""
    if isinstance(name := eqn.params.get("name"), str):
        return name
    inner = inner_jaxprs(eqn)
    if not inner:
        return ""
    jaxpr = open_jaxpr(inner[0])[0]
    name = called_name(jaxpr.eqns[0]) if len(jaxpr.eqns) == 1 else ""
    return name or getattr(jaxpr.debug_info, "func_name", "")


def scan_counts(eqn: Any) -> tuple[int, int]:
    """(the number of a scan's constants, of what it carries)."""
    if "num_consts" in eqn.params:
        return eqn.params["num_consts"], eqn.params["num_carry"]
    consts, carry, _ = eqn.params["ft_in"].unpack()  # since 0.11
    return len(consts), len(carry)


def varying_like(x: Any, y: Any) -> Any:
    """`x` typed as varying over the mesh axes that `y` varies over, so that its cotangent is summed over them."""
    missing = tuple(sorted(_varies(y) - _varies(x)))
    if not missing:
        return x
    return lax.pcast(x, missing, to="varying")


def _varies(x: Any) -> frozenset:
    return jax.typeof(x).manual_axis_type.varying


def source_line(eqn: Any) -> str:
    """`file.py:47 (function)` of the user's line that an equation comes from; "" where it is not known."""
    from jax.extend import source_info_util

    return str(source_info_util.summarize(eqn.source_info))
