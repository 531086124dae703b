"""The compiled part: one step, and a loop of steps that ends at the exact step at which a rule says so."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, apply_updates, call_update, check_alike, objective, tree_norm
from ._batches import Batches
from ._stopping import RUNNING, judge_all


@dataclass(frozen=True)
class Program:
    """What is fixed when the loop compiles: another one is another program.

    Attributes:
        loss_fn: (params, batch) -> loss, or (loss, aux).
        has_aux: which of the two.
        batches: how batches are drawn.
        chunk: the most steps a call makes.
        measure: (params, grads, updates, batch) -> pytree of arrays, or None.
        every: it is recorded at steps 1, 1 + every, ...
        transformation: another library's rule; None where the rule is ours and its numbers are arguments.
    """

    loss_fn: Callable[..., Any]
    has_aux: bool
    batches: Batches
    chunk: int
    measure: Callable[..., Any] | None
    every: int
    transformation: Any


class Carry(NamedTuple):
    """What one step hands to the next."""

    params: Tree
    state: Any  # the rule's
    drawn: Any  # the batches'
    watch: tuple  # the stopping rules'
    step: Array  # () int32, the updates made
    verdict: Array  # () int32, RUNNING until the run is to end


class Row(NamedTuple):
    """What one step leaves in the history."""

    step: Array
    loss: Array
    grad_norm: Array
    update_norm: Array
    param_norm: Array
    aux: Any
    measured: Any


def step(program: Program, rule: Any, stop: tuple, key: Array, data: Tree, carry: Carry) -> tuple[Carry, Row]:
    """One step of gradient descent; a step that is judged to be the last does not move the parameters."""
    batch, drawn = program.batches.draw(data, key, carry.drawn, carry.step)
    (loss, aux), grads, value_fn = differentiate(program, carry.params, batch)
    extra = extras(program, rule, batch, loss, grads, value_fn, carry, key)
    updates, state = call_update(rule, grads, carry.state, carry.params, extra)
    params = apply_updates(carry.params, updates)

    row = Row(carry.step + 1, loss, tree_norm(grads), tree_norm(updates), tree_norm(carry.params), aux, ())
    row = row._replace(measured=_measure(program, carry, grads, updates, batch))
    finite = jnp.all(jnp.isfinite(jnp.stack([loss, row.grad_norm, row.update_norm, tree_norm(params)])))
    verdict, watch = judge_all(stop, carry.watch, loss, row.grad_norm, finite)

    move = verdict == RUNNING
    params, state = _where(move, (params, _steady(state, carry.state)), (carry.params, carry.state))
    return Carry(params, state, drawn, watch, carry.step + move, verdict), row


@partial(jax.jit, static_argnames=("program",), donate_argnames=("carry",))
def run_chunk(
    program: Program, rule: Any, stop: tuple, key: Array, data: Tree, carry: Carry, limit: Array
) -> tuple[Carry, Row, Array]:
    """Up to `limit` <= chunk steps, fewer where a rule stops the run.

    A while_loop rather than a scan: it ends at the exact step, its limit may change without compiling, and XLA does
    not unroll it when a chunk is one step, which would round otherwise and make results depend on the chunk.

    Returns:
        (carry, rows, count): of rows, arrays (chunk, ...), the first `count` are filled.
    """
    # jit here so that shape inference and the loop share one trace of loss_fn.
    one = jax.jit(partial(step, program, program.transformation if rule is None else rule))
    rows = jax.tree.map(
        lambda x: jnp.zeros((program.chunk, *x.shape), x.dtype), jax.eval_shape(one, stop, key, data, carry)[1]
    )

    def body(loop):
        i, carry, rows = loop
        carry, row = one(stop, key, data, carry)
        return i + 1, carry, jax.tree.map(lambda all, x: all.at[i].set(x), rows, row)

    count, carry, rows = lax.while_loop(
        lambda loop: (loop[0] < limit) & (loop[1].verdict == RUNNING), body, (jnp.zeros((), jnp.int32), carry, rows)
    )
    return carry, rows, count


def differentiate(program: Program, params: Tree, batch: Tree) -> tuple[tuple[Array, Any], Tree, Callable]:
    """((loss, aux), gradients, the loss as a function of parameters alone), averaged over accumulated mini-batches."""
    loss = partial(_checked_loss, program)
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


def extras(
    program: Program, rule: Any, batch: Tree, loss: Array, grads: Tree, value_fn: Callable, carry: Carry, key: Array
) -> dict[str, Any]:
    """What rules may need beyond gradients, under our names and Optax's; what costs work only where it is asked for."""
    found = {"value": loss, "grad": grads, "value_fn": objective(value_fn), "obj_fn": value_fn}
    found["grad_fn"] = jax.grad(value_fn)
    needs = getattr(rule, "needs", ())
    if "key" in needs:
        # The run's key itself draws the data.
        found["key"] = jax.random.fold_in(jax.random.fold_in(key, _RULES_STREAM), carry.step)
    if "per_example_grads" in needs:
        found["per_example_grads"] = per_example_gradients(program, carry.params, batch)
    return found


_RULES_STREAM = 0x52554C45  # any number that no count of steps reaches


def per_example_gradients(program: Program, params: Tree, batch: Tree) -> Tree:
    """The gradient of each row of the batch, on a leading axis; accumulated mini-batches one after another."""
    if not jax.tree.leaves(batch):
        raise ValueError("train needs data for a rule that needs per_example_grads, and was given none")
    if program.batches.accumulate > 1:
        batch = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)
    alone = lambda p, row: _checked_loss(program, p, jax.tree.map(lambda x: x[None], row))[0]  # noqa: E731
    return jax.vmap(jax.grad(alone), in_axes=(None, 0))(params, batch)


def _checked_loss(program: Program, params: Tree, batch: Tree) -> tuple[Array, Any]:
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


def _measure(program: Program, carry: Carry, grads: Tree, updates: Tree, batch: Tree) -> Any:
    measure = program.measure
    if measure is None:
        return ()
    # Arrays even where the user returns Python numbers.
    call = lambda *operands: jax.tree.map(jnp.asarray, measure(*operands))  # noqa: E731
    operands = (carry.params, grads, updates, batch)
    if program.every == 1:
        return call(*operands)
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(call, *operands))
    return lax.cond(carry.step % program.every == 0, call, lambda *_: blank, *operands)


def _where(condition: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _steady(new: Any, old: Any) -> Any:
    # A loop's carry must keep its types; Optax states may change theirs (b2**t under x64).
    check_alike("train", **{"the rule's new state": new, "its state before": old})
    return jax.tree.map(
        lambda a, b: a if a.dtype == b.dtype else a.astype(b.dtype), jax.tree.map(jnp.asarray, new), old
    )


def _kind(x: Any) -> str:
    return f"an array of shape {x.shape}" if hasattr(x, "shape") else f"a {type(x).__name__}"
