"""A training step of your own, recorded at every N-th call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._run_folder import RunFolder
from ._wanted import Instruments
from ._watched import Watched


def watch(
    step: Callable[..., Any],
    run: str | Path,
    instruments: Instruments = "standard",
    every: int = 10,
    log: Any = None,
    **jit_options: Any,
) -> Watched:
    """A training step whose layers are recorded at every N-th call, in a folder that `gdfunc report` and `gdfunc watch` read.

        grad_fn = gd.instruments.value_and_grad(loss_fn)      # in the step, in place of jax.value_and_grad
        step = gd.instruments.watch(step, "runs/first")       # in place of jax.jit

    Two programs are compiled, three with "full": the step as it is, and the step with instruments, which every N-th call runs.
    The first call runs both and compares; where they differ, it says so and only norms of weights, gradients and updates are
    read. The numbers leave the device one record late, so that nothing waits. The parameters after the step are
    found where they stood in what it was given (`state.params`); where that is not clear, update_ratio is NaN.

    Args:
        step: (state, batch, ...) -> anything: a pure function, jitted already or not. It calls
            `gdfunc.instruments.value_and_grad` once, itself.
        run: the folder; it must not hold another run.
        instruments: "economy", "standard", "full", names from `INSTRUMENTS`, or a mapping from either to how many records
            pass between readings: {"standard": 1, "sharpness": 20}; in "full" the dear ones are read at every tenth
            record. Distances, cosines and averages begin with the first call.
        every: record the calls 1, 1 + every, ...
        log: any object with a log(dict) method (a run of W&B, MLflow or trackio): it is given each record, a number a layer.
        **jit_options: for `jax.jit`, where the step is not jitted yet: donate_argnums, static_argnums, ...

    Returns:
        The step; call it as before. `close()` at the end, or use it in a `with`, writes the last record and history.npz.

    Raises:
        ValueError: on unknown instruments, on a folder that holds a run, and at the first call where the step does not
            take its gradients with `gdfunc.instruments.value_and_grad`.
    """
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"watch needs every to be a whole number >= 1, and was given {every!r}")
    if not callable(step):
        raise ValueError(f"watch needs the step, a function, first, and was given {step!r}")
    return Watched(step, RunFolder(Path(run), log), instruments, every, jit_options)
