"""A training step of your own, recorded at every N-th call."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..core import Tree, tree_norm, tree_sub
from ._instruments import GLOBAL_NORM, INSTRUMENTS, Instrument, wanted
from ._readings import readings
from ._run_folder import RunFolder
from ._seen import Seen, seeing
from ._trace import Traced


class Watched:
    """A training step that is recorded at every N-th call; made by `watch`.

    Attributes:
        folder: where the records go.
        calls: the number of calls made.
    """

    def __init__(self, step: Callable, folder: RunFolder, names: tuple[str, ...], every: int, options: dict[str, Any]):
        self._own = hasattr(step, "lower")  # jitted already: it keeps its own donation and static arguments
        self._plain = step if self._own else jax.jit(step, **options)
        self._inner = getattr(step, "__wrapped__", step) if self._own else step
        self._names, self._every, self.folder = names, every, folder
        kept = {name: x for name, x in options.items() if not name.startswith("donate")}
        self._seen: Seen | None = None
        self._look = jax.jit(self._record, **kept)
        self._pending: tuple[int, Any] | None = None
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if (self.calls - 1) % self._every:
            return self._plain(*args, **kwargs)
        try:
            out, record = self._look(*args, **kwargs)
        except jax.errors.UnexpectedTracerError as error:
            raise ValueError(
                "watch needs gdfunc.instruments.value_and_grad to be called by the step itself, not inside a jit, scan or "
                "vmap of its own"
            ) from error
        if self.calls == 1:
            plain = self._plain(*args, **kwargs)
            self._check(plain, out)
            out = plain
        if self._pending:
            self.flush()
        else:
            self._start()
        self._pending = (self.calls, record)
        return out

    def flush(self) -> None:
        """Writes what was recorded and not yet written; it waits for the device."""
        if self._pending:
            step, record = self._pending
            self.folder.add(step, jax.tree.map(np.asarray, record))
            self._pending = None

    def close(self) -> None:
        """Writes the rest, and the history as arrays."""
        self.flush()
        self.folder.close()

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _record(self, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        seen = Seen(self._names)
        with seeing(seen):
            out = self._inner(*args, **kwargs)
        if seen.traced is None:
            raise ValueError(
                "watch needs the step to take its gradients with gdfunc.instruments.value_and_grad, and it did not"
            )
        self._seen = seen
        params, grads = seen.parts["params"], seen.parts["grads"]
        layers = readings(seen.traced, seen.parts["measured"], self._names, params, grads, _updates(params, out))
        run = {GLOBAL_NORM: tree_norm(grads), **seen.run}
        return out, {"loss": seen.parts["loss"], **run, **layers}

    def _start(self) -> None:
        assert self._seen is not None
        of_run = {
            name: Instrument(
                name.replace("_", " ").capitalize(), "loss / weight", "log", "run", "The norm over all parameters."
            )
            for name in (GLOBAL_NORM, *self._seen.run)
        }
        of_layers = {name: INSTRUMENTS[name] for name in self._names}
        self.folder.start(cast(Traced, self._seen.traced), of_layers | of_run, self._every)

    def _check(self, plain: Any, seen: Any) -> None:
        """Warns where the watched step gives other numbers than the step itself; NaN in both is the step's own."""
        pairs = zip(jax.tree.leaves(plain), jax.tree.leaves(seen), strict=True)
        for a, b in pairs:
            if jnp.issubdtype(jnp.result_type(a), jnp.floating):
                x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
                if not np.allclose(x, y, rtol=1e-3, atol=1e-5 * np.max(np.abs(x), initial=0), equal_nan=True):
                    warnings.warn(
                        "watch: the step gives other numbers with instruments than without; they are not to be trusted",
                        stacklevel=3,
                    )
                    return


def watch(
    step: Callable[..., Any],
    run: str | Path,
    instruments: str | tuple[str, ...] = "standard",
    every: int = 10,
    log: Any = None,
    **jit_options: Any,
) -> Watched:
    """A training step whose layers are recorded at every N-th call, in a folder that `gdfunc report` and `gdfunc watch` read.

        grad_fn = gd.instruments.value_and_grad(loss_fn)      # in the step, in place of jax.value_and_grad
        step = gd.instruments.watch(step, "runs/first")       # in place of jax.jit

    Two programs are compiled: the step as it is, and the step with instruments, which every N-th call runs. The first call runs both
    and compares. The numbers leave the device one record late, so that nothing waits. The parameters after the step are found
    among what it returns; where they are not there, update_ratio is NaN.

    Args:
        step: (state, batch, ...) -> anything: a pure function, jitted already or not. It calls
            `gdfunc.instruments.value_and_grad` once, itself.
        run: the folder; it must not hold another run.
        instruments: "economy", "standard", or names from `INSTRUMENTS`.
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
    return Watched(step, RunFolder(Path(run), log), wanted("watch", instruments), every, jit_options)


def _updates(params: Tree, out: Any) -> Tree | None:
    """What was added to the parameters: of the parts of `out` that are alike, the one nearest to them is the new ones."""
    structure = jax.tree.structure(params)
    shapes = [jnp.shape(x) for x in jax.tree.leaves(params)]

    def fits(x: Any) -> bool:
        return jax.tree.structure(x) == structure and [jnp.shape(leaf) for leaf in jax.tree.leaves(x)] == shapes

    found = [tree_sub(x, params) for x in jax.tree.leaves(out, is_leaf=fits) if fits(x)]
    if len(found) < 2:
        return found[0] if found else None
    nearest = jnp.argmin(jnp.stack([tree_norm(x) for x in found]))
    return lax.switch(nearest, [lambda x=x: x for x in found])
