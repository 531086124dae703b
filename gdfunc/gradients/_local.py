"""A step's own derivative by one of its inputs: the formula, the numbers, and the rule that makes a gradient of it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import jaxpr as jx
from ._formulas import BILINEAR, REARRANGING
from ._notation import fill, matmul, pointwise, step_name
from ._numbers import MOST
from ._program import Ref, Step


def local_derivative(
    step: Step, place: int, numbers: dict[Ref, Any], taken: list[str], gave: tuple[str, ...], gradient_name: Callable
) -> tuple[str, Array | None, str]:
    """(formula, in numbers, rule).

    Args:
        step: the step.
        place: which input.
        numbers: every value.
        taken: the names of the inputs.
        gave: the names of those outputs that the loss has a gradient by.
        gradient_name: what the gradient by a value of that name is called.
    """
    eqn, gradients = step.eqn, [gradient_name(name) for name in gave]
    primitive, value = eqn.primitive.name, numbers[step.inputs[place].ref]
    if primitive in REARRANGING:
        _, formula, rule = REARRANGING[primitive]
        return formula, None, rule.format(g=gradients[0])
    if primitive in BILINEAR:
        _, rules = matmul(eqn) or ("", BILINEAR[primitive])
        other = step.given(numbers)[1 - place]
        return taken[1 - place], other, rules[place].format(*taken, g=gradients[0])
    if primitive.startswith("custom_vjp"):  # which need not be linear
        return "", None, f"{step_name(eqn)}'s own rule for {', '.join(gradients)}"
    products = " + ".join(f"{g} * {quotient(name, taken[place])}" for g, name in zip(gradients, gave, strict=True))
    if len(step.outputs) == 1 and jx.is_pointwise(eqn) and (slope := _slope(step, place, numbers)) is not None:
        copied = np.size(value) < np.size(slope)
        rule = f"sum of {products} over the copies" if copied else products
        return _formula(eqn, place, taken, gave[0]), slope, rule
    several = any(v.aval.size > 1 for v in eqn.outvars)
    return "", _jacobian(step, place, numbers), f"sum of {products}" if several else products


def quotient(above: str, below: str) -> str:
    """The name of a derivative: `dL/dz1`, with brackets around the path of a parameter."""
    bracketed = [f"({name})" if "/" in name else name for name in (above, below)]
    return f"d{bracketed[0]}/d{bracketed[1]}"


def _formula(eqn: Any, place: int, taken: list[str], out: str) -> str:
    known = pointwise(eqn)
    if known is None:
        return f"{step_name(eqn)}'({', '.join(taken)})"
    formula = known.derivatives[place] if place < len(known.derivatives) else ""
    return fill(formula, eqn, taken, out=out)


def _slope(step: Step, place: int, numbers: dict[Ref, Any]) -> Array | None:
    """The derivative of each entry of the output by the same entry of the input; None where copies cannot be told."""
    eqn, given, out = step.eqn, step.given(numbers), step.eqn.outvars[0].aval
    if np.shape(given[place]) != out.shape and jx.inner_jaxprs(eqn):
        return None

    def output(x: Any) -> Any:
        (result,) = jx.bind(eqn, [*given[:place], x, *given[place + 1 :]])
        return result

    _, pull = jax.vjp(output, jnp.broadcast_to(given[place], out.shape))
    slope = pull(jnp.ones(out.shape, out.dtype))[0]
    if jx.inner_jaxprs(eqn):  # a function with a derivative of its own may mix the entries' gradients even so
        ramp = jnp.arange(1, out.size + 1, dtype=out.dtype).reshape(out.shape)
        if not jnp.allclose(pull(ramp)[0], ramp * slope, rtol=1e-3, equal_nan=True):
            return None
    return slope


def _jacobian(step: Step, place: int, numbers: dict[Ref, Any]) -> Array | None:
    """The matrix of derivatives, shaped as the output and then as the input; None where large or one of several."""
    use, out = step.inputs[place], step.eqn.outvars[0].aval
    value = numbers[use.ref]
    if len(step.outputs) > 1 or out.size * np.size(value) > MOST:
        return None
    given = step.given(numbers)
    _, pull = jax.vjp(lambda x: jx.bind(step.eqn, [*given[:place], use(x), *given[place + 1 :]])[0], value)
    rows = [pull(row.reshape(out.shape))[0] for row in jnp.eye(out.size, dtype=out.dtype)]
    return jnp.stack(rows).reshape(*out.shape, *np.shape(value))
