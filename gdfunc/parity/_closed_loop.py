"""Two rules each on its own trajectory, beside how fast one of them parts from itself: chaos is no difference of rules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Transformation, apply_updates, call_update, check_params
from ._compare import describe
from ._modes import mode as find_mode
from ._stream import extras

STEPS = 200
ROUNDINGS = 8.0  # made anew at every step by each of the two


@dataclass(frozen=True)
class ClosedLoop:
    """Two closed loops and the unit to judge them by.

    Attributes:
        first, second: what was compared, in words.
        mode: the precision.
        apart: (steps,) the largest difference of any two parameters, in rounding errors of the largest parameter.
        pushed: (steps,) the same between the first rule and itself, started one rounding away.
    """

    first: str
    second: str
    mode: str
    apart: np.ndarray
    pushed: np.ndarray

    @property
    def explained(self) -> np.ndarray:
        """(steps,) what a few roundings at every step may have become by then, in rounding errors."""
        return ROUNDINGS * np.arange(1, len(self.pushed) + 1) * np.maximum.accumulate(np.maximum(self.pushed, 1.0))

    @property
    def step(self) -> int | None:
        """The first step (from 1) at which the two are further apart than rounding explains, or one of them is not finite;
        None where they never are."""
        # Where one is not finite, so may be what the push came to: infinite explains nothing.
        beyond = np.flatnonzero(~(np.isfinite(self.apart) & (self.apart <= self.explained)))
        return int(beyond[0]) + 1 if len(beyond) else None

    def __str__(self) -> str:
        if not np.all(np.isfinite(self.apart)):
            return f"{self.first} and {self.second}: not finite in {self.mode}, from step {np.argmin(np.isfinite(self.apart)) + 1} on"
        ends = (
            f"after {len(self.apart)} steps {self.first} and {self.second} are {self.apart[-1]:.3g} rounding errors of "
            f"{self.mode} apart; the first is {self.pushed[-1]:.3g} from itself after a push of one"
        )
        if self.step is None:
            return f"{ends}: no more than rounding explains"
        return f"{ends}: more than rounding explains, from step {self.step} on"


def closed_loop(
    first: Any,
    second: Any,
    *,
    loss: Callable[[Any], Any] | None = None,
    params: Any = None,
    steps: int = STEPS,
    precision: str = "float32",
) -> ClosedLoop:
    r"""Runs two rules each on its own trajectory, and the first once more from a start moved by one rounding.

    Where v is near zero or a sign turns, a rounding error grows to any size: two equal rules then end far apart. How far
    a rule parts from itself says how much of that is chaos. Agreement is judged on common gradients, by `compare`.

    Args:
        first: a rule, or anything with Optax's `init` and `update`.
        second: another.
        loss: parameters -> scalar; if not given an ill-conditioned quartic of 16 parameters,
            $\sum_i c_i (x_i^2 / 2 + x_i^4 / 4)$ with c from 1e-3 to 10.
        params: where both start; needed with `loss`.
        steps: how many.
        precision: "float32", "float32 (x64)" or "float64".

    Returns:
        A `ClosedLoop`; print it for a sentence.

    Raises:
        ValueError: where one of the two is not a transformation, or only one of loss and params is given.
    """
    for thing in (first, second):
        if not isinstance(thing, Transformation) or isinstance(thing, type):
            raise ValueError(
                f"closed_loop needs rules or transformations with init and update, and was given {thing!r}"
            )
    if (loss is None) != (params is None):
        raise ValueError("closed_loop needs loss and params together, and was given one of them")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"closed_loop needs steps >= 1, and was given steps={steps!r}")
    at = find_mode(precision)
    with at():
        start = jnp.linspace(-2.0, 2.0, 16) if params is None else params
        check_params(start, "closed_loop")
        start = jax.tree.map(lambda x: jnp.asarray(x, at.dtype), start)
        f = loss if loss is not None else _quartic
        push = jax.tree.map(lambda x: x * jnp.asarray(1 + at.eps, x.dtype), start)
        paths = [_run(rule, f, p, steps) for rule, p in ((first, start), (second, start), (first, push))]
    return ClosedLoop(
        describe(first),
        describe(second),
        at.name,
        _apart(paths[0], paths[1], at.eps),
        _apart(paths[0], paths[2], at.eps),
    )


def _quartic(x: Any) -> Any:
    return jnp.sum(jnp.logspace(-3, 1, 16, dtype=x.dtype) * (x**2 / 2 + x**4 / 4))


def _run(rule: Any, loss: Callable[[Any], Any], start: Any, steps: int) -> Any:
    """The parameters after every step, a tree of (steps, ...)."""

    def step(carry, t):
        p, state = carry
        value, g = jax.value_and_grad(loss)(p)
        given = extras(value, g, p, jax.tree.map(jnp.zeros_like, p), jax.random.fold_in(jax.random.key(0), t))
        given |= {"value_fn": lambda q, **_: loss(q), "obj_fn": loss, "grad_fn": jax.grad(loss)}
        updates, state = call_update(rule, g, state, p, given)
        p = apply_updates(p, updates)
        return (p, state), p

    return jax.jit(lambda p: jax.lax.scan(step, (p, rule.init(p)), jnp.arange(steps))[1])(start)


def _apart(a: Any, b: Any, eps: float) -> np.ndarray:
    """(steps,) the largest difference in units of rounding; infinite where one side is not finite."""
    flat = lambda tree: np.concatenate(  # noqa: E731
        [np.asarray(x, np.float64).reshape(len(x), -1) for x in jax.tree.leaves(tree)], axis=1
    )
    x, y = flat(a), flat(b)
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.max(np.abs(x), axis=1)
        far = np.max(np.abs(x - y), axis=1) / (eps * np.where(size > 0, size, 1.0))
    return np.where(np.isfinite(far), far, np.inf)
