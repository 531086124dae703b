"""Certificates of many records, made side by side in several processes."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import jax

from ._certify import certify
from ._rows import Certificate

WORTH_A_PROCESS = 4  # records: below that, starting another process takes longer than it saves


def certify_all(names: Sequence[str], *, quick: bool = False, jobs: int | None = None) -> Iterator[Certificate]:
    """The certificate of each name, in the order given; each as soon as it and those before it are made.

    Several processes compile with XLA's older emitters for the CPU, where it still has them: in half the time.

    Args:
        names: rules by name, other parts with their folder, as for `certify`.
        quick: compiled runs only.
        jobs: processes; one for each core of the machine if not given.

    Returns:
        An iterator of certificates.

    Raises:
        ValueError: on an unknown name, or jobs < 1.
    """
    if jobs is None:
        jobs = max(1, min(os.cpu_count() or 1, len(names) // WORTH_A_PROCESS))
    if jobs < 1:
        raise ValueError(f"certify_all needs jobs >= 1, and was given jobs={jobs}")
    one = partial(certify, quick=quick)
    if jobs == 1:
        yield from map(one, names)
        return
    # Spawned and not forked: JAX holds threads, which a fork would leave half there.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _set_flags, (_quick_to_compile(),)) as pool:
        try:
            yield from pool.map(one, names)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _quick_to_compile() -> str:
    """The flag for XLA's older emitters; "" where this release refuses it, which would end a process."""
    try:
        jax.jit(lambda x: x, compiler_options={"xla_cpu_use_fusion_emitters": False})(0.0)
    except jax.errors.JaxRuntimeError:
        return ""
    return "--xla_cpu_use_fusion_emitters=false"


def _set_flags(flags: str) -> None:
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"
