"""A training step with instruments over the same step without: paired and interleaved in one process, the median of the ratios."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np

from gdfunc.core import apply_updates
from gdfunc.instruments import SETS, plan, probed_value_and_grad, readings, trace
from gdfunc.rules import Adam

from ._networks import NETWORKS, Network

RULE = Adam(1e-3)
# (set, recorded at every so many steps): the goals, on the MLPs and on the others.
GOALS = {("economy", 10): (1.06, 1.03), ("standard", 1): (1.30, 1.10)}


def plain(network: Network, params: Any, state: Any, batch: Any) -> tuple[Any, Any, Any]:
    loss, grads = jax.value_and_grad(network.loss_fn)(params, batch)
    updates, state = RULE.update(grads, state, params)
    return apply_updates(params, updates), state, loss


def seen(network: Network, names: tuple[str, ...], params: Any, state: Any, batch: Any) -> tuple[Any, Any, Any]:
    traced = trace("benchmarks", network.loss_fn, params, batch)
    (loss, _), grads, measured = probed_value_and_grad(traced, plan(traced, names), params, batch)
    updates, state = RULE.update(grads, state, params)
    return apply_updates(params, updates), state, (loss, readings(traced, measured, names, params, grads, updates))


def rows(quick: bool = False) -> Iterator[dict[str, Any]]:
    for name, make in NETWORKS.items():
        network = make()
        args = (network.params, RULE.init(network.params), network.batch)
        bare, base = compiled(partial(plain, network), args)
        for (kind, every), goals in GOALS.items():
            step, cost = compiled(partial(seen, network, SETS[kind]), args)
            low, middle, high = ratios(bare, step, args, 5 if quick else 40, every)
            yield {
                "network": name,
                "instruments": kind,
                "every": str(every),
                "time over plain": middle,
                "quartiles": f"{low:.2f} to {high:.2f}",
                "goal": goals[0] if "MLP" in name else goals[1],
                "compile time over plain": cost["seconds"] / base["seconds"],
                "extra memory, MiB": (cost["bytes"] - base["bytes"]) / 2**20,
            }


def compiled(step: Callable, args: tuple) -> tuple[Callable, dict[str, float]]:
    """The compiled step, and what it cost to compile and takes of memory."""
    lowered = jax.jit(step).lower(*args)
    start = time.perf_counter()
    program = lowered.compile()
    return program, {"seconds": time.perf_counter() - start, "bytes": program.memory_analysis().temp_size_in_bytes}


def ratios(bare: Callable, step: Callable, args: tuple, rounds: int, every: int) -> np.ndarray:
    """Quartiles of (one instrumented step and `every` - 1 plain ones) over `every` plain ones."""

    def run(first: Callable) -> float:
        start = time.perf_counter()
        for i in range(every):
            jax.block_until_ready((first if i == 0 else bare)(*args))
        return time.perf_counter() - start

    run(bare), run(step)
    found = []
    for i in range(rounds):
        order = (step, bare) if i % 2 else (bare, step)
        seconds = {id(each): run(each) for each in order}
        found.append(seconds[id(step)] / seconds[id(bare)])
    return np.quantile(found, (0.25, 0.5, 0.75))
