"""The compiled part: one step, and a loop of steps that ends at the exact step at which a rule says so."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, apply_updates, call_update, check_alike, tree_norm
from ..instruments import Seen, Step, seeing
from ._gradients import checked_loss, extras, look_or_differentiate, read_apart
from ._program import Program
from ._stopping import RUNNING, judge_all


class Carry(NamedTuple):
    """What one step hands to the next."""

    params: Tree
    state: Any  # the rule's
    drawn: Any  # the batches'
    watch: tuple  # the stopping rules'
    memories: Any  # the instruments'
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
    readings: dict[str, Array]  # the instruments': name -> (layers,), () or (layers, bins)
    passed: dict[str, Array]  # what links of the rule's chain that `see` recorded


def step(program: Program, rule: Any, stop: tuple, key: Array, data: Tree, carry: Carry) -> tuple[Carry, Row]:
    """One step of gradient descent; a step that is judged to be the last does not move the parameters."""
    batch, drawn = program.batches.draw(data, key, carry.drawn, carry.step)
    due = carry.step % program.every == 0
    (loss, aux), grads, value_fn, look, examples = look_or_differentiate(program, due, carry.params, batch)
    extra = extras(program, rule, batch, loss, grads, value_fn, carry.params, carry.step, key)
    with seeing(Seen(())) as seen:
        updates, state = call_update(rule, grads, carry.state, carry.params, extra)
    params = apply_updates(carry.params, updates)

    norms = tree_norm(grads), tree_norm(updates), tree_norm(carry.params)
    read = _when(due, program.every, look, carry.params, grads, updates)
    loss_fn = lambda p, b: checked_loss(program, p, b)[0]  # noqa: E731
    made = Step(loss_fn, carry.params, batch, loss, grads, updates, rule, state, carry.step, batch, examples)
    apart, memories = read_apart(program, made, carry.memories)
    row = Row(carry.step + 1, loss, *norms, aux, (), read | apart, seen.run)
    row = row._replace(measured=_measure(program, carry, grads, updates, batch))
    finite = jnp.all(jnp.isfinite(jnp.stack([loss, row.grad_norm, row.update_norm, tree_norm(params)])))
    verdict, watch = judge_all(stop, carry.watch, loss, row.grad_norm, finite)

    move = verdict == RUNNING
    params, state = _where(move, (params, _steady(state, carry.state)), (carry.params, carry.state))
    return Carry(params, state, drawn, watch, memories, carry.step + move, verdict), row


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


def _measure(program: Program, carry: Carry, grads: Tree, updates: Tree, batch: Tree) -> Any:
    measure = program.measure
    if measure is None:
        return ()
    # Arrays even where the user returns Python numbers.
    call = lambda *operands: jax.tree.map(jnp.asarray, measure(*operands))  # noqa: E731
    return _when(carry.step % program.every == 0, program.every, call, carry.params, grads, updates, batch)


def _when(due: Array, every: int, call: Callable, *operands: Any) -> Any:
    """`call(*operands)` where it is due, and zeros elsewhere."""
    if every == 1:
        return call(*operands)
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(call, *operands))
    return lax.cond(due, call, lambda *_: blank, *operands)


def _where(condition: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _steady(new: Any, old: Any) -> Any:
    # A loop's carry must keep its types; Optax states may change theirs (b2**t under x64).
    check_alike("train", **{"the rule's new state": new, "its state before": old})
    return jax.tree.map(
        lambda a, b: a if a.dtype == b.dtype else a.astype(b.dtype), jax.tree.map(jnp.asarray, new), old
    )
