"""Runs experiments, several at once, in processes of their own."""

import importlib
import multiprocessing
import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import jax

from gdfunc.parity import versions
from gdfunc.report import experiment

HERE = Path(__file__).parent


def run(name: str, quick: bool, seed: int, out: Path) -> dict[str, Any]:
    """An experiment's record; one that breaks off does not take the others with it."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    try:
        record = experiment(importlib.import_module(name).main, out / name, quick=quick, seed=seed)
    except Exception as error:
        traceback.print_exc()
        return broken(name, quick, seed, error)
    jax.clear_caches()
    return record


def broken(name: str, quick: bool, seed: int, error: Exception) -> dict[str, Any]:
    """The record of an experiment that broke off."""
    about = {"experiment": name, "about": "", "quick": quick, "mutate": False, "seed": seed, "versions": versions()}
    return {**about, "seconds": 0, "claims": [], "holds": False, "pictures": [], "error": repr(error)}


def run_all(names: Sequence[str], quick: bool, seed: int, out: Path, jobs: int) -> Iterator[dict[str, Any]]:
    """The records in the order of the names, as soon as they are there."""
    if jobs == 1:
        yield from (run(name, quick, seed, out) for name in names)
        return
    # Not a fork: JAX has threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        runs = [pool.submit(run, name, quick, seed, out) for name in names]
        for name, each in zip(names, runs, strict=True):
            try:
                yield each.result()
            except BrokenProcessPool as error:  # killed, as where memory is short: the rest are lost with it
                yield broken(name, quick, seed, error)
