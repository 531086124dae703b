"""The backward pass: the chain rule at every step, from the loss to the parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import jaxpr as jx
from ._forward import input_names
from ._local import local_derivative
from ._notation import operation
from ._program import Program, Ref, Step, Use


class Derivative(NamedTuple):
    r"""The chain rule for one input of one step: $\partial L / \partial x$, or what this step adds to it.

    Attributes:
        by: the input's name, x.
        through: the names of the step's outputs.
        local: the formula of the step's own derivative; "" where there is none on one line.
        local_value: that in numbers; None where it is a large matrix, or only a rule for where entries go.
        rule: how the gradients by the outputs become the one by the input: `dL/da1 * da1/dz1`.
        incoming: the gradients by the outputs.
        value: the gradient by the input, shaped as that.
        part: "" where this is the whole gradient; where the input is used more than once, what this part came through.
    """

    by: str
    through: tuple[str, ...]
    local: str
    local_value: Any
    rule: str
    incoming: tuple[Any, ...]
    value: Any
    part: str = ""


class Sum(NamedTuple):
    """The gradient by a value that is used more than once: (through which step, what came through it), and the sum."""

    by: str
    parts: tuple[tuple[str, Any], ...]
    value: Any


class Backward(NamedTuple):
    """A step of the backward pass.

    Attributes:
        outputs: the names of what the step gave in the forward pass.
        operation: what it computed.
        derivatives: one for each input that a gradient is wanted for.
        sums: of the values whose last part came from here.
    """

    outputs: tuple[str, ...]
    operation: str
    derivatives: tuple[Derivative, ...]
    sums: tuple[Sum, ...] = ()


def backward(
    program: Program, numbers: dict[Ref, Any], names: dict[Ref, str], gradient_name: Any
) -> tuple[dict[Ref, Array], tuple[Backward, ...]]:
    """The gradient by every value that has one, and the steps from the loss back.

    Args:
        program: the loss.
        numbers: every value.
        names: every value's name.
        gradient_name: what the gradient by a value of that name is called.
    """
    grads: dict[Ref, Array] = {}
    parts: dict[Ref, list[_Part]] = {}
    if isinstance(program.loss, Use) and program.loss.ref in program.varying:
        grads[program.loss.ref] = jnp.ones_like(numbers[program.loss.ref])
    steps: list[Backward] = []
    for step in reversed(program.steps):
        grads |= {ref: _total(parts[ref]) for ref in step.outputs if ref in parts}
        places = [i for i, x in enumerate(step.inputs) if isinstance(x, Use) and x.ref in program.varying]
        incoming = {i: grads[ref] for i, ref in enumerate(step.outputs) if ref in grads}
        if not places or not incoming:
            continue
        products = _pull(step, places, incoming, numbers)
        taken, gave = input_names(step, names), tuple(names[step.outputs[i]] for i in incoming)
        found = []
        for n, (place, product) in enumerate(zip(places, products, strict=True)):
            local, value, rule = local_derivative(step, place, numbers, taken, gave, gradient_name)
            found.append(
                Derivative(taken[place], gave, local, value, rule, tuple(incoming.values()), product)
            )  # fmt: skip
            parts.setdefault(step.inputs[place].ref, []).append(_Part(len(steps), n, place, product))
        steps.append(Backward(gave, operation(step.eqn, taken), tuple(found)))
    grads |= {ref: _total(parts[ref]) for ref in program.inputs if ref in parts}
    return grads, _with_sums(steps, parts, grads, names)


class _Part(NamedTuple):
    step: int
    derivative: int  # of the step's
    place: int  # which input of the operation
    product: Array


def _total(parts: list[_Part]) -> Array:
    first, *others = (part.product for part in parts)
    return sum(others, start=first)


def _pull(step: Step, places: list[int], incoming: dict[int, Array], numbers: dict[Ref, Any]) -> list[Array]:
    """The gradients by the inputs in these places, by JAX's own derivative of this one operation."""

    def outputs(*varied: Any) -> list[Any]:
        given = step.given(numbers)
        for place, value in zip(places, varied, strict=True):
            given[place] = step.inputs[place](value)
        results = jx.bind(step.eqn, given)
        return [results[i] for i in incoming]

    _, pull = jax.vjp(outputs, *(numbers[step.inputs[place].ref] for place in places))
    return list(pull(list(incoming.values())))


def _with_sums(
    steps: list[Backward], parts: dict[Ref, list[_Part]], grads: dict[Ref, Array], names: dict[Ref, str]
) -> tuple[Backward, ...]:
    """The steps, with the sums of the values used more than once: each where its last part comes."""
    derivatives, sums = [list(step.derivatives) for step in steps], [[] for _ in steps]
    for ref, several in parts.items():
        if len(several) == 1:
            continue
        told = []
        for part in several:
            twice = sum(other.step == part.step for other in several) > 1
            label = ", ".join(steps[part.step].outputs) + (f", input {part.place + 1}" if twice else "")
            mine = derivatives[part.step]
            mine[part.derivative] = mine[part.derivative]._replace(part=label)
            told.append((label, part.product))
        sums[several[-1].step].append(Sum(names[ref], tuple(told), grads[ref]))
    return tuple(
        step._replace(derivatives=tuple(mine), sums=tuple(total))
        for step, mine, total in zip(steps, derivatives, sums, strict=True)
    )
