"""What a step of your own shows while it is watched: its loss and gradients, and what passes in a chain."""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax

from ..core import Tree, tree_norm
from ._example_sums import example_sums
from ._instruments import GLOBAL_NORM, INSTRUMENTS
from ._probes import plan
from ._step_gradient import OfExamples, step_gradient
from ._trace import Traced, trace
from ._wanted import OF_EXAMPLES, absent


class Passed(NamedTuple):
    """`see`, as a gradient transformation with Optax's two methods."""

    init: Callable
    update: Callable


class Seen:
    """What a step shows while it is traced."""

    def __init__(self, names: tuple[str, ...], of_examples: bool = False):
        self.names = names
        self.of_examples = of_examples  # whether each example's gradient is to be measured
        self.traced: Traced | None = None
        self.loss_fn: Any = None  # (params, batch) -> ()
        self.loss: Any = None
        self.params: Tree = None
        self.batch: Tree = None
        self.grads: Tree = None
        self.measured: dict[int, Any] = {}
        self.examples: OfExamples | None = None
        self.run: dict[str, Any] = {}


_local = threading.local()


@contextmanager
def seeing(seen: Seen) -> Iterator[Seen]:
    """What `value_and_grad` and `see` show inside goes there."""
    before = _now()
    _local.seen = seen
    try:
        yield seen
    finally:
        _local.seen = before


def _now() -> Seen | None:
    return getattr(_local, "seen", None)


def value_and_grad(loss_fn: Callable[..., Any], has_aux: bool = False) -> Callable[..., tuple[Any, Tree]]:
    """`jax.value_and_grad` that a watched step can see into; anywhere else it is that, and costs no more.

        grad_fn = gd.instruments.value_and_grad(loss_fn)      # was jax.value_and_grad

    Args:
        loss_fn: (params, *rest) -> loss, a scalar, or (loss, aux).
        has_aux: whether loss_fn returns (loss, aux).

    Returns:
        (params, *rest) -> (loss, gradients), or ((loss, aux), gradients).
    """
    plain = jax.value_and_grad(loss_fn, has_aux=has_aux)

    def watched(params: Tree, *rest: Any) -> tuple[Any, Tree]:
        seen = _now()
        if seen is None:
            return plain(params, *rest)
        if seen.traced is not None:
            warnings.warn("watch: the step takes gradients more than once, and the first are recorded", stacklevel=2)
            return plain(params, *rest)
        of_batch = lambda p, batch: loss_fn(p, *batch)  # noqa: E731
        traced = seen.traced = trace("value_and_grad", of_batch, params, rest, has_aux)
        alone = seen.of_examples and not set(OF_EXAMPLES) & set(absent(None, rest))
        sums = example_sums(traced, of_batch, params, rest) if alone else None
        if plan(traced, seen.names) or sums:
            looked = step_gradient(traced, seen.names, sums, params, rest, has_aux)
            out, grads = (looked.loss, looked.aux) if has_aux else looked.loss, looked.grads
            seen.measured, seen.examples = looked.measured, looked.examples
        else:
            out, grads = plain(params, *rest)
        seen.loss_fn = lambda p, batch: of_batch(p, batch)[0] if has_aux else of_batch(p, batch)
        seen.loss, seen.params, seen.batch, seen.grads = out[0] if has_aux else out, params, rest, grads
        return out, grads

    return watched


def see(name: str) -> Passed:
    """A link for a chain of gradient transformations, ours or Optax's, that records the norm of what passes, and changes nothing.

        optax.chain(gd.instruments.see("raw"), optax.clip_by_global_norm(1.0), gd.instruments.see("clipped"), optax.adam(1e-3))

    In a watched step, and in `train` that records, the norm stands as `NAME_norm`; the ratio of two is what clipping cut.
    Anywhere else it does nothing.

    Args:
        name: a word.

    Raises:
        ValueError: where it is none, or an instrument's.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"see needs a name made of letters, digits and _, and was given {name!r}")
    if f"{name}_norm" in (*INSTRUMENTS, GLOBAL_NORM):
        raise ValueError(f"see needs another name than {name!r}: {name}_norm is what an instrument reads")

    def update(updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        if (seen := _now()) is not None:
            if f"{name}_norm" in seen.run:
                raise ValueError(f"see needs a name of its own for each link, and {name!r} stands twice in a step")
            seen.run[f"{name}_norm"] = tree_norm(updates)
        return updates, state

    return Passed(lambda params: (), update)
