"""The loss and its gradient on a step's batch, and what rules and instruments ask for beyond them."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from .. import gradients
from ..core import Tree, objective
from ..instruments import (
    OF_EXAMPLES,
    OfExamples,
    Step,
    StepGradient,
    example_sums,
    plan,
    read_step,
    readings,
    step_gradient,
    trace,
)
from ._program import Program


def differentiate(program: Program, params: Tree, batch: Tree) -> tuple[tuple[Array, Any], Tree, Callable]:
    """((loss, aux), gradients, the loss as a function of parameters alone), averaged over accumulated mini-batches."""
    loss = partial(checked_loss, program)
    one = jax.value_and_grad(loss, has_aux=True)
    k = program.batches.accumulate
    if k == 1:
        return *one(params, batch), lambda p: loss(p, batch)[0]

    def add(total, mini_batch):
        value, grads = one(params, mini_batch)
        return jax.tree.map(lambda t, g: t + g.astype(t.dtype), total, grads), value

    # 16-bit gradients are summed in float32.
    zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.promote_types(p.dtype, jnp.float32)), params)
    total, values = lax.scan(add, zeros, batch)
    grads = jax.tree.map(lambda t, p: (t / k).astype(p.dtype), total, params)
    mean = jax.tree.map(lambda x: jnp.mean(x, axis=0), values)
    return mean, grads, lambda p: jnp.mean(lax.map(lambda mini_batch: loss(p, mini_batch)[0], batch))


class Differentiated(NamedTuple):
    """The loss and its gradient, and what instruments were shown on the way."""

    out: tuple[Array, Any]  # (loss, aux)
    grads: Tree
    value_fn: Callable  # the loss as a function of parameters alone
    read: Callable[..., dict[str, Array]]  # (params, grads, updates) -> what the instruments read
    examples: OfExamples | None


def look_or_differentiate(program: Program, due: Array, params: Tree, batch: Tree) -> Differentiated:
    """What `differentiate` gives, with probes in the loss where it is due."""
    names = program.in_step
    if not names:
        return Differentiated(*differentiate(program, params, batch), lambda *_: {}, None)
    loss = partial(checked_loss, program)
    traced = trace("train", loss, params, batch, has_aux=True)
    # What is measured of examples is as large as the batch's activations, and would be 0 between readings.
    shown = program.every == 1 and set(OF_EXAMPLES) & set(program.apart.get(1, ()))
    sums = example_sums(traced, loss, params, batch) if shown else None

    def probed(params: Tree, batch: Tree) -> StepGradient:
        return step_gradient(traced, names, sums, params, batch, has_aux=True)

    def plain(params: Tree, batch: Tree) -> StepGradient:
        (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(params, batch)
        return StepGradient(value, aux, grads, {ref: probe.blank() for ref, probe in plan(traced, names).items()}, None)

    looked = probed(params, batch) if program.every == 1 else lax.cond(due, probed, plain, params, batch)
    read = partial(readings, traced, looked.measured, names)
    return Differentiated((looked.loss, looked.aux), looked.grads, lambda p: loss(p, batch)[0], read, looked.examples)


def read_apart(program: Program, step: Step, memories: dict[int, Any]) -> tuple[dict[str, Array], dict[int, Any]]:
    """(name -> what is read apart from the step's gradient: blank where it is not due, the memories afterwards)."""
    if program.batches.accumulate > 1:
        step = step._replace(batch=jax.tree.map(lambda x: x[0], step.batch), examples=merged(step.batch))
    found, after = {}, {}
    for pace, names in program.apart.items():

        def read(memory: Any, names: tuple[str, ...] = names) -> Any:
            return read_step(names, step, memory)

        def skip(memory: Any, read: Callable = read) -> Any:
            return jax.tree.map(_blank, jax.eval_shape(read, memory)[0]), memory

        due = step.number % (program.every * pace) == 0
        values, after[pace] = lax.cond(due, read, skip, memories[pace])
        found |= values
    return found, after


def _blank(x: Any) -> Array:
    return jnp.full(x.shape, jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else 0, x.dtype)


def merged(batch: Tree) -> Tree:
    """Accumulated mini-batches as one."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)


def extras(
    program: Program,
    rule: Any,
    batch: Tree,
    loss: Array,
    grads: Tree,
    value_fn: Callable,
    params: Tree,
    step: Array,
    key: Array,
) -> dict[str, Any]:
    """What rules may need beyond gradients, under our names and Optax's; what costs work only where it is asked for."""
    found = {"value": loss, "grad": grads, "value_fn": objective(value_fn), "obj_fn": value_fn}
    found["grad_fn"] = jax.grad(value_fn)
    needs = getattr(rule, "needs", ())
    if "key" in needs:
        # The run's key itself draws the data.
        found["key"] = jax.random.fold_in(jax.random.fold_in(key, _RULES_STREAM), step)
    if "per_example_grads" in needs:
        found["per_example_grads"] = per_example_gradients(program, params, batch)
    return found


_RULES_STREAM = 0x52554C45  # any number that no count of steps reaches


def per_example_gradients(program: Program, params: Tree, batch: Tree) -> Tree:
    """The gradient of each row of the batch, on a leading axis; accumulated mini-batches one after another."""
    if not jax.tree.leaves(batch):
        raise ValueError("train needs data for a rule that needs per_example_grads, and was given none")
    if program.batches.accumulate > 1:
        batch = merged(batch)
    return gradients.per_example_gradients(lambda p, row: checked_loss(program, p, row)[0], params, batch)


def checked_loss(program: Program, params: Tree, batch: Tree) -> tuple[Array, Any]:
    out: Any = program.loss_fn(params, batch)
    if program.has_aux and not (isinstance(out, tuple) and len(out) == 2):
        raise ValueError(f"train with has_aux=True needs loss_fn to return (loss, aux), and it returned {_kind(out)}")
    loss: Any = out[0] if program.has_aux else out
    if not hasattr(loss, "dtype") and not isinstance(loss, (int, float)):
        hint = "; for (loss, aux) give has_aux=True" if isinstance(loss, tuple) else ""
        raise ValueError(f"train needs loss_fn to return a scalar, and it returned {_kind(loss)}{hint}")
    if jnp.shape(loss) != () or not jnp.issubdtype(jnp.result_type(loss), jnp.floating):
        raise ValueError(
            f"train needs loss_fn to return a real floating-point scalar of shape (), and it returned "
            f"{jnp.result_type(loss)} of shape {jnp.shape(loss)}"
        )
    return jnp.asarray(loss), out[1] if program.has_aux else ()


def _kind(x: Any) -> str:
    return f"an array of shape {x.shape}" if hasattr(x, "shape") else f"a {type(x).__name__}"
