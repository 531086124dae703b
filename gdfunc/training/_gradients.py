"""The loss and its gradient on a step's batch, and what rules and instruments ask for beyond them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from .. import gradients
from ..core import Tree, objective
from ..instruments import Step, plan, probed_value_and_grad, read_step, readings, trace
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


def look_or_differentiate(
    program: Program, due: Array, params: Tree, batch: Tree
) -> tuple[tuple[Array, Any], Tree, Callable, Callable]:
    """What `differentiate` gives, and (params, grads, updates) -> what the instruments read, with probes where it is due."""
    names = program.in_step
    if not names:
        return *differentiate(program, params, batch), lambda *_: {}
    loss = partial(checked_loss, program)
    traced = trace("train", loss, params, batch, has_aux=True)
    probes = plan(traced, names)

    def probed(params: Tree, batch: Tree) -> tuple:
        return probed_value_and_grad(traced, probes, params, batch, has_aux=True)

    def plain(params: Tree, batch: Tree) -> tuple:
        blank = {ref: probe.blank() for ref, probe in probes.items()}
        return *jax.value_and_grad(loss, has_aux=True)(params, batch), blank

    if program.every == 1:
        out, grads, measured = probed(params, batch)
    else:
        out, grads, measured = lax.cond(due, probed, plain, params, batch)
    return out, grads, lambda p: loss(p, batch)[0], partial(readings, traced, measured, names)


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
