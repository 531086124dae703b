"""A training step that is recorded at every N-th call."""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Tree, tree_norm, tree_sub
from ._instruments import GLOBAL_NORM, INSTRUMENTS, PROBED, norm_called
from ._readings import readings
from ._run_folder import RunFolder
from ._seen import Seen, seeing
from ._step_readings import Step, blank, read_step
from ._trace import Traced
from ._wanted import OF_EXAMPLES, Instruments, absent, in_step_and_apart, left_out_of, wanted

_NO_RULE = absent(None, np.zeros(2))


class Watched:
    """A training step that is recorded at every N-th call; made by `watch`.

    Attributes:
        folder: where the records go.
        calls: the number of calls made.
    """

    def __init__(self, step: Callable, folder: RunFolder, given: Instruments, every: int, options: dict[str, Any]):
        own = hasattr(step, "lower")  # jitted already: it keeps its own donation and static arguments
        self._jit, self._shapes = _compilers(step)
        self._plain = step if own else self._jit(step, **options)
        self._inner = getattr(step, "__wrapped__", step) if own else step
        self._given, self._every, self.folder = given, every, folder
        self._options = {name: x for name, x in options.items() if not name.startswith("donate")}
        names = wanted("watch", given, _NO_RULE)
        self._names = names
        self._paces = sorted({1, *names.values()})
        self._in_step, _ = in_step_and_apart(names)
        self._programs: dict[tuple[int, ...], Callable] = {}
        self._memories: dict[int, Any] = {}
        self._seen: Seen | None = None
        self._trusted = True
        self._pending: tuple[int, Any] | None = None
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if (self.calls - 1) % self._every:
            return self._plain(*args, **kwargs)
        out, record = self._look(args, kwargs)
        if self.calls == 1:
            plain = self._plain(*args, **kwargs)
            self._trusted, out = self._same(plain, out), plain
            if not self._trusted:
                self._programs.clear()
                return out
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

    def _look(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """(what the step returns, the record)."""
        due = tuple(pace for pace in self._paces if (self.calls - 1) // self._every % pace == 0)
        if due not in self._programs:
            self._programs[due] = self._jit(partial(self._record, due), **self._options)
        program = self._programs[due]
        try:
            if self.calls == 1:
                blanks = self._shapes(program, *args, **kwargs)[2]
                self._memories = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), blanks)
            mine = {pace: memory for pace, memory in self._memories.items() if pace in due}
            out, record, memories = program(*args, **kwargs, **({"_memories": mine} if mine else {}))
        except jax.errors.UnexpectedTracerError as error:
            raise ValueError(
                "watch needs gdfunc.instruments.value_and_grad to be called by the step itself, not inside a jit, scan or "
                "vmap of its own"
            ) from error
        except jax.errors.ConcretizationTypeError as error:
            raise ValueError(
                "watch needs to be told the static arguments of a step that is jitted already: "
                "watch(step, run, static_argnums=...)"
            ) from error
        self._memories |= memories
        return out, record

    def _record(
        self, due: tuple[int, ...], *args: Any, _memories: dict[int, Any] | None = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any], dict[int, Any]]:
        of_examples = any(self._names.get(name) in due for name in OF_EXAMPLES)
        seen = Seen(self._in_step, of_examples) if self._trusted else Seen(())
        with seeing(seen):
            out = self._inner(*args, **kwargs)
        if seen.traced is None:
            raise ValueError(
                "watch needs the step to take its gradients with gdfunc.instruments.value_and_grad, and it did not"
            )
        names = wanted("watch", self._given, absent(None, seen.batch))
        names = {name: pace for name, pace in names.items() if self._trusted or name not in PROBED}
        with_gradient, apart = in_step_and_apart(names)
        updates = _updates(seen.params, (*args, *kwargs.values()), out)
        found = readings(seen.traced, seen.measured, with_gradient, seen.params, seen.grads, updates)
        of_step = (seen.loss_fn, seen.params, seen.batch, seen.loss, seen.grads, updates)
        step = Step(*of_step, None, None, 0, seen.batch, seen.examples)
        memories = {}
        for pace in (pace for pace in apart if pace in due):
            memory = blank(apart[pace], seen.params) if _memories is None else _memories[pace]
            more, memories[pace] = read_step(apart[pace], step, memory)
            found |= more
        self._seen, self._names = seen, names
        return out, {"loss": seen.loss, GLOBAL_NORM: tree_norm(seen.grads), **seen.run, **found}, memories

    def _start(self) -> None:
        assert self._seen is not None
        read = {name: INSTRUMENTS[name] for name in self._names}
        read |= {name: norm_called(name) for name in (GLOBAL_NORM, *self._seen.run)}
        left_out = left_out_of("watch", self._given, absent(None, self._seen.batch))
        self.folder.start(cast(Traced, self._seen.traced), read, self._every, left_out=left_out)

    def _same(self, plain: Any, seen: Any) -> bool:
        """Warns where the watched step gives other numbers than the step itself; NaN in both is the step's own."""
        for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(seen), strict=True):
            if hasattr(a, "dtype") and jnp.issubdtype(a.dtype, jnp.floating):
                x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
                if not np.allclose(x, y, rtol=1e-3, atol=1e-5 * np.max(np.abs(x), initial=0), equal_nan=True):
                    warnings.warn(
                        "watch: the step gives other numbers with probes in the loss than without; what is read of outputs "
                        "and activations is left out, and norms of weights, gradients and updates remain",
                        stacklevel=4,
                    )
                    return False
        return True


def _compilers(step: Any) -> tuple[Callable, Callable]:
    """(jit, what gives the shapes of a jitted function's results): JAX's own, or Equinox's for a step of its `filter_jit`."""
    library = type(step).__module__.partition(".")[0]
    if library == "equinox":
        equinox = sys.modules[library]
        return equinox.filter_jit, equinox.filter_eval_shape
    return jax.jit, lambda program, *args, **kwargs: program.eval_shape(*args, **kwargs)


def _updates(params: Tree, given: tuple, out: Any) -> Tree | None:
    """What was added to the parameters, found by where they stood in what the step was given; None where that is not clear.

    `step(state, batch)` that takes its parameters from `state.params` returns the new ones at the same place: in the same
    part of what it returns, in the only other part that has such a place, or in the whole.

    Args:
        params: the parameters before the step, as it took them out of its arguments.
        given: the step's arguments.
        out: what it returned.
    """
    old = jax.tree.leaves(params)
    places = {id(x): path for path, x in jax.tree_util.tree_leaves_with_path(given)}
    paths = [places[id(p)] for p in old if id(p) in places]
    if len(paths) < len(old):
        return None
    found = {tuple(path): x for path, x in jax.tree_util.tree_leaves_with_path(out)}

    def below(head: tuple) -> list | None:
        new = [found.get((*head, *path[1:])) for path in paths]
        return (
            new if all(x is not None and jnp.shape(x) == jnp.shape(p) for x, p in zip(new, old, strict=True)) else None
        )

    others = [below(head) for head in dict.fromkeys([(), *(path[:1] for path in found)])]
    fitting = [new for new in others if new is not None]
    new = below(paths[0][:1]) or (fitting[0] if len(fitting) == 1 else None)
    return None if new is None else tree_sub(jax.tree.unflatten(jax.tree.structure(params), new), params)
