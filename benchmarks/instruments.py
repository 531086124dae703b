"""A training step with instruments over the same step without: paired and interleaved in one process, the median of the ratios."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gdfunc.core import apply_updates
from gdfunc.instruments import (
    OF_EXAMPLES,
    Step,
    absent,
    blank,
    example_sums,
    in_step_and_apart,
    read_step,
    readings,
    step_gradient,
    trace,
    wanted,
)
from gdfunc.rules import Adam

from ._networks import NETWORKS, Network

RULE = Adam(1e-3)
# (set, recorded at every so many steps): the goals, on the MLPs and on the others.
GOALS = {("economy", 10): (1.06, 1.03), ("standard", 1): (1.30, 1.10), ("Cockpit's economy", 1): (2.5, 2.5)}
# Cockpit's Alpha, Distance, GradHist1d, GradNorm, InnerTest, NormTest, OrthoTest and UpdateSize, by our names.
OF_COCKPIT = (
    "gradient_norm", "update_ratio", "distance", "gradient_histogram", "alpha", "norm_test", "inner_product_test",
    "orthogonality_test",
)  # fmt: skip


def plain(network: Network, params: Any, state: Any, memory: Any, batch: Any) -> tuple[Any, Any, Any, Any]:
    loss, grads = jax.value_and_grad(network.loss_fn)(params, batch)
    updates, state = RULE.update(grads, state, params)
    return apply_updates(params, updates), state, memory, loss


def seen(
    network: Network, names: dict[str, int], params: Any, state: Any, memory: Any, batch: Any
) -> tuple[Any, Any, Any, Any]:
    in_step, apart = in_step_and_apart(names)
    traced = trace("benchmarks", network.loss_fn, params, batch)
    sums = example_sums(traced, network.loss_fn, params, batch) if set(OF_EXAMPLES) & set(apart.get(1, ())) else None
    loss, _, grads, measured, examples = step_gradient(traced, in_step, sums, params, batch)
    updates, state = RULE.update(grads, state, params)
    found = readings(traced, measured, in_step, params, grads, updates)
    for others in apart.values():
        step = Step(network.loss_fn, params, batch, loss, grads, updates, RULE, state, state.step - 1, batch, examples)
        more, memory = read_step(others, step, memory)
        found |= more
    return apply_updates(params, updates), state, memory, (loss, found)


def rows(quick: bool = False, cockpit: Path | None = None) -> Iterator[dict[str, Any]]:
    for name, make in NETWORKS.items():
        network = make()
        for (kind, every), goals in GOALS.items():
            names = wanted(
                "benchmarks", OF_COCKPIT if kind.startswith("Cockpit") else kind, absent(RULE, network.batch)
            )
            memory = [blank(others, network.params) for others in in_step_and_apart(names)[1].values()]
            args = (network.params, RULE.init(network.params), *(memory or [()]), network.batch)
            bare, base = compiled(partial(plain, network), args)
            step, cost = compiled(partial(seen, network, names), args)
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
    if cockpit is not None:
        yield of_cockpit(cockpit, 4 if quick else 20)


def of_cockpit(python: Path, rounds: int) -> dict[str, Any]:
    """Cockpit itself, on the same MLP under PyTorch."""
    script = Path(__file__).with_name("_cockpit.py")
    done = subprocess.run([python, script, str(rounds)], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"--cockpit needs a Python with cockpit-for-pytorch, and {python} said: {done.stderr[-300:]}")
    low, middle, high = np.quantile(json.loads(done.stdout.splitlines()[-1]), (0.25, 0.5, 0.75))
    return {
        "network": "MLP",
        "instruments": "Cockpit's economy, by Cockpit",
        "every": "1",
        "time over plain": middle,
        "quartiles": f"{low:.3g} to {high:.3g}",
    }


def compiled(step: Callable, args: tuple) -> tuple[Callable, dict[str, float]]:
    """The compiled step, and what it cost to compile, the least of three times, and takes of memory."""
    seconds = []
    for _ in range(3):
        jax.clear_caches()
        lowered = jax.jit(step).lower(*args)
        start = time.perf_counter()
        program = lowered.compile()
        seconds.append(time.perf_counter() - start)
    return program, {"seconds": min(seconds), "bytes": program.memory_analysis().temp_size_in_bytes}


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
