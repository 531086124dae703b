"""`train`: gradient descent on any loss, as a compiled loop that a host loop calls chunk by chunk."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import Rule, Tree
from ..instruments import Instruments, RunFolder, blank
from ._batches import Order, plan_batches
from ._checks import as_key, check_program, check_rule, check_stop, owned, owned_params, whole
from ._log import Log
from ._program import Program
from ._progress import progress_bar
from ._recording import Recording, instruments_of
from ._run import Run
from ._step import Carry, run_chunk
from ._stopping import RUNNING, StopRule, outcome_of


def train(
    loss_fn: Callable[..., Any],
    params: Tree | Run,
    data: Tree,
    rule: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    order: Order = "shuffle",
    accumulate: int = 1,
    key: int | Array = 0,
    stop: Sequence[StopRule] = (),
    has_aux: bool = False,
    measure: Callable[..., Any] | None = None,
    instruments: Instruments = (),
    every: int = 1,
    folder: str | os.PathLike | None = None,
    log: Any = None,
    evaluate: Callable[[Tree], Any] | None = None,
    evaluate_every: int | None = None,
    chunk: int = 256,
    progress: bool = False,
) -> Run:
    r"""Minimises a loss by gradient descent under any update rule (Robbins & Monro 1951, Annals of Mathematical Statistics 22, <https://doi.org/10.1214/aoms/1177729586>).

    $$\begin{aligned}
    g_t &= \nabla_\theta \frac{1}{|B_t|} \sum_{i \in B_t} \ell(\theta_{t-1}, x_i) \\
    \theta_t &= \theta_{t-1} + u_t, \qquad u_t = \mathrm{rule}(g_1, \dots, g_t)
    \end{aligned}$$

    The whole data in one batch is gradient descent, one sample a batch is stochastic gradient descent, and between
    them lies the mini-batch. The same arguments give the same run, bit for bit, for every `chunk`. A second call with
    the same loss_fn and shapes compiles nothing, also when the rule's numbers, the stopping rules' or `steps` differ;
    a `lambda` written in the call is a new loss_fn each time.

    A run ends early, as a value in `Run.outcome` and not as an exception, where a rule in `stop` says so, and always
    where the loss, the gradient, the update or the new parameters are not finite or have a norm beyond their dtype's
    range (1.8e19 in float32). The update of that step is not applied: the parameters returned are those that were judged.

    Args:
        loss_fn: (params, batch) -> loss, a real scalar, the mean over the batch; with `has_aux`, (loss, aux).
        params: theta_0, a pytree of real floating-point arrays; or a `Run`, which then goes on for `steps` more with
            its own key, state and history (counts of the stopping rules start anew).
        data: a pytree of arrays (n, ...), all with one n; None for a loss_fn that needs none (it is given None).
        rule: an update rule, or any object with Optax's `init` and `update`.
        steps: the number of updates, >= 1.
        batch_size: rows a mini-batch, 1 to n; None for all n rows in every batch, as they are.
        order: "shuffle" draws each epoch from a new permutation and leaves out the last rows where n is no multiple of
            the batch; "replace" draws every row afresh; "sequential" goes round in the data's order.
        accumulate: k >= 1 mini-batches whose gradients are averaged for one update: as a batch of k * batch_size.
        key: an int seed, or a JAX key, for the order of the data.
        stop: stopping rules (`Target`, `GradientNorm`, `LossChange`, `Plateau`), the first that fires names the outcome.
        has_aux: whether loss_fn returns (loss, aux); aux, a pytree of arrays, is recorded at every step.
        measure: (params, grads, updates, batch) -> pytree of arrays, a pure function, recorded inside the loop.
        instruments: "economy", "standard", "full", or names from `gdfunc.instruments.INSTRUMENTS`: what is read of every
            layer and of the whole inside the loop, into `history.layers` and `history.run`. Only the steps at which it is
            due pay for it. A mapping gives how many records pass between readings: {"standard": 1, "sharpness": 20}; in
            "full" the dear ones are read at every tenth record. Distances, cosines and averages begin with this call. With
            `accumulate`, layers are read on the first of the mini-batches.
        every: make a record, of `measure` and of the instruments, at steps 1, 1 + every, 1 + 2 every, ...
        folder: where the instruments' readings go as they come (`gdfunc report FOLDER`); it must not hold another run.
        log: an object with a log(dict) method (a run of W&B, MLflow or trackio), which is given each record too.
        evaluate: params -> pytree of arrays or numbers, any Python function, called on the host.
        evaluate_every: evaluate after every so many updates; in any case before the first and after the last.
        chunk: the most steps between two looks from the host: a progress bar moves, Ctrl-C works.
        progress: whether to draw a bar on stderr; needs rich, which `gdfunc[lab]` brings.

    Returns:
        A `Run`: params, state, history, outcome.

    Raises:
        ValueError: where an argument does not fit, naming it; where loss_fn does not return a scalar.
    """
    check_rule(rule)
    steps, accumulate = whole("steps", steps, 1), whole("accumulate", accumulate, 1)
    every, chunk = whole("every", every, 1), whole("chunk", chunk, 1)
    batch_size = None if batch_size is None else whole("batch_size", batch_size, 1)
    evaluate_every = None if evaluate_every is None else whole("evaluate_every", evaluate_every, 1)
    stop = check_stop(stop)
    data = jax.tree.map(jnp.asarray, data)
    batches = plan_batches(data, batch_size, accumulate, order)
    ours = rule if isinstance(rule, Rule) else None
    names, left_out = instruments_of(instruments, rule, batches, data)
    if log is not None and folder is None:
        raise ValueError("train needs a folder for log: what goes to it is kept there too")
    if folder is not None and not names:
        raise ValueError('train needs instruments for a folder: instruments="standard"')
    theirs = rule if ours is None else None
    program = Program(loss_fn, has_aux, batches, chunk, measure, every, theirs, tuple(names.items()))
    check_program(program)

    before = params if isinstance(params, Run) else None
    first = 0 if before is None else before.step
    key = as_key(key) if before is None else before.key
    params = owned_params(params if before is None else before.params)
    carry = Carry(
        params=params,
        state=owned(rule.init(params) if before is None else before.state),
        drawn=batches.start(first),
        watch=tuple(rule.start() for rule in stop),
        memories={pace: blank(names, params) for pace, names in program.apart.items()},
        step=jnp.asarray(first, jnp.int32),
        verdict=jnp.asarray(RUNNING, jnp.int32),
    )

    keep = None if folder is None else RunFolder(Path(folder), log)
    recording = Recording(program, keep, params, data, rule=repr(rule), steps=steps, left_out=left_out)
    records = Log(None if before is None else before.history, first, evaluate, recording)
    records.evaluate(first, carry.params)
    made, last = first, first + steps
    with progress_bar(steps, progress) as show:
        while made < last and int(carry.verdict) == RUNNING:
            until = (
                last if evaluate is None or evaluate_every is None else made + evaluate_every - made % evaluate_every
            )
            limit = np.int32(min(chunk, last - made, until - made))
            carry, rows, count = run_chunk(program, ours, stop, key, data, carry, limit)
            records.add(rows, int(count))
            made = int(carry.step)
            if made in (until, last) or int(carry.verdict) != RUNNING:
                records.evaluate(made, carry.params)
            show(made - first, records.loss)
    history = records.history()
    outcome = outcome_of(int(carry.verdict), stop, history, steps)
    recording.close(outcome)
    return Run(carry.params, carry.state, history, outcome, made, key)
