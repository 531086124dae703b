"""The gradients of a loss on a tape, by the derivative of one operation after another."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core as jex

from ..core import jaxpr as jx
from ._tape import Step, Tape, inexact

OWN = "derivative of "


def pull_back(tape: Tape, loss: int, weights: list[int]) -> list[int | None]:
    """The loss's gradients with respect to the weights; None where it does not depend on one."""
    active = set(weights)
    for step in tape.linear:
        wanted, given = _differentiable(tape, step, active)
        if wanted and given:
            reach = _pullback(tape, step, wanted, given)[1]
            active |= {step.outputs[k] for k, reached in zip(given, reach, strict=True) if any(reached)}
    cts = {loss: tape.constant(jnp.ones_like(tape.values[loss]))} if loss in active else {}
    for step in reversed(tape.linear):
        wanted, given = _differentiable(tape, step, active)
        given = tuple(k for k in given if step.outputs[k] in cts)
        if wanted and given:
            _step_back(tape, step, wanted, given, cts)
    return [cts.get(n) for n in weights]


def _step_back(tape: Tape, step: Step, wanted: tuple, given: tuple, cts: dict[int, int]) -> None:
    back, reach = _pullback(tape, step, wanted, given)
    place = step.place._replace(direction="backward", home=step.home)
    inputs = [*step.inputs, *(cts[step.outputs[k]] for k in given)]
    if step.eqn is not None and step.eqn.primitive.name.startswith("custom_"):
        out = tape.walk(back, inputs, place._replace(function=f"{OWN}{step.place.function}"))
    else:
        run = back if callable(back) else lambda values: list(jex.jaxpr_as_fun(back)(*values))
        out = tape.step(run, inputs, place, step.eqn)
    for i, ct, *reached in zip(wanted, out, *reach, strict=True):
        n = step.inputs[i]
        if any(reached):
            both = place._replace(primitive="add_any", home=tape.homes[n])
            cts[n] = ct if n not in cts else tape.step(lambda x: [x[0] + x[1]], [cts[n], ct], both)[0]


def _differentiable(tape: Tape, step: Step, active: set[int]) -> tuple[tuple, tuple]:
    """Which inputs depend on a parameter, and which outputs may."""
    wanted = tuple(i for i, n in enumerate(step.inputs) if n in active)
    return wanted, tuple(k for k, n in enumerate(step.outputs) if inexact(tape.values[n]))


def _pullback(tape: Tape, step: Step, wanted: tuple, given: tuple) -> tuple[Any, list[list[bool]]]:
    """((inputs, given cotangents) -> wanted cotangents, which [given][wanted] are more than zeros of JAX's)."""
    if step.back is not None:
        return partial(_known, tape, step, wanted, given), [[True] * len(wanted)] * len(given)
    key = (id(step.eqn) if step.eqn else step.inputs, wanted, given)
    if key not in tape.pullbacks:
        values, outputs = [tape.values[n] for n in step.inputs], [tape.values[step.outputs[k]] for k in given]
        program = jax.make_jaxpr(partial(_transposed, step.run, wanted, given))(values, outputs)
        jaxpr = jx.open_jaxpr(program)[0]
        tape.pullbacks[key] = program, [_reached(jaxpr, ct) for ct in jaxpr.invars[len(values) :]]
    return tape.pullbacks[key]


def _known(tape: Tape, step: Step, wanted: tuple, given: tuple, values: list) -> list:
    cts = dict(zip(given, values[len(step.inputs) :], strict=True))
    blanks = (jnp.zeros_like(tape.values[n]) for n in step.outputs)
    out = step.back([cts.get(k, blank) for k, blank in enumerate(blanks)])  # pyright: ignore[reportOptionalCall]
    return [out[i] for i in wanted]


def _transposed(run: Callable, wanted: tuple, given: tuple, values: list, cts: list) -> tuple:
    def forward(*floats: Any) -> list:
        mixed = dict(zip(wanted, floats, strict=True))
        out = run([mixed.get(i, x) for i, x in enumerate(values)])
        return [out[k] for k in given]

    return jax.vjp(forward, *(values[i] for i in wanted))[1](cts)


def _reached(jaxpr: Any, start: Any) -> list[bool]:
    """Which outputs depend on an input."""
    seen = {start}
    for eqn in jaxpr.eqns:
        if any(v in seen for v in eqn.invars if not isinstance(v, jx.Literal)):
            seen.update(eqn.outvars)
    return [not isinstance(v, jx.Literal) and v in seen for v in jaxpr.outvars]
