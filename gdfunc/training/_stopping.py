"""When to stop: each rule judges the loss and the gradient at the parameters, before they are moved."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import Fields, NonNegative, Positive, Scalar, pytree_dataclass
from ._outcome import Outcome

RUNNING, NON_FINITE, FIRST_RULE = 0, 1, 2  # verdicts; a rule's is FIRST_RULE + its place in the list


class StopRule(Fields):
    """Base of all stopping rules: frozen, with its numbers as leaves, so that another target compiles nothing anew.

    Subclasses write `judge`, `words` and, where there is memory, `start`. Under mini-batches they see the loss and the
    gradient of the batch, noise included.
    """

    code: ClassVar[str]

    def start(self) -> Any:
        """The memory before the first step."""
        return ()

    def judge(self, memory: Any, loss: Array, grad_norm: Array) -> tuple[Array, Any]:
        """(whether to stop here, the new memory)."""
        raise NotImplementedError

    def words(self, loss: float, grad_norm: float) -> tuple[str, str]:
        """What happened, and the remedy."""
        raise NotImplementedError


@pytree_dataclass
class Target(StopRule):
    """Stops at the first step whose loss is at most `loss`.

    Args:
        loss: the target, in units of the loss.
    """

    loss: Scalar
    code = "target"

    def judge(self, memory, loss, grad_norm):
        return loss <= self.loss, memory

    def words(self, loss, grad_norm):
        return f"the loss reached {loss:.4g}, the target being {float(self.loss):.4g}", ""


@pytree_dataclass
class GradientNorm(StopRule):
    """Stops at the first step whose gradient's global norm is below `below`.

    Args:
        below: the bound, > 0, in units of the loss over the parameters'.
    """

    below: Positive
    code = "gradient_norm"

    def judge(self, memory, loss, grad_norm):
        return grad_norm < self.below, memory

    def words(self, loss, grad_norm):
        return (
            f"the gradient norm fell to {grad_norm:.3g}, below {float(self.below):.3g}, at loss {loss:.4g}",
            "if this loss is too high for a minimum, the gradient vanished or this is a saddle",
        )


@pytree_dataclass
class LossChange(StopRule):
    """Stops when the loss changed by at most `tolerance` from one step to the next, `patience` times in succession.

    Args:
        tolerance: the change, >= 0, in units of the loss.
        patience: a whole number of steps, >= 1.
    """

    tolerance: NonNegative
    patience: int = 1
    code = "loss_change"

    def __post_init__(self):
        super().__post_init__()
        _check_patience(self)

    def start(self):
        return _infinity(), jnp.zeros((), jnp.int32)

    def judge(self, memory, loss, grad_norm):
        last, count = memory
        count = jnp.where(jnp.abs(loss - last) <= self.tolerance, count + 1, 0)
        return count >= self.patience, (loss, count)

    def words(self, loss, grad_norm):
        return (
            f"the loss, {loss:.4g}, changed by at most {float(self.tolerance):.3g} a step for {self.patience} steps",
            "if it is too high, raise learning_rate or lower the tolerance",
        )


@pytree_dataclass
class Plateau(StopRule):
    """Stops when the loss has not gone more than `min_delta` below its best for `patience` steps in succession.

    Args:
        patience: a whole number of steps, >= 1.
        min_delta: what counts as better, >= 0, in units of the loss.
    """

    patience: int
    min_delta: NonNegative = 0.0
    code = "plateau"

    def __post_init__(self):
        super().__post_init__()
        _check_patience(self)

    def start(self):
        return _infinity(), jnp.zeros((), jnp.int32)

    def judge(self, memory, loss, grad_norm):
        best, waited = memory
        better = loss < best - self.min_delta
        waited = jnp.where(better, 0, waited + 1)
        return waited >= self.patience, (jnp.where(better, loss, best), waited)

    def words(self, loss, grad_norm):
        return (
            f"the loss has not improved for {self.patience} steps and is {loss:.4g}",
            "lower learning_rate (a schedule does it over time), or raise patience if the loss is noisy",
        )


def judge_all(stop: tuple, memories: tuple, loss: Array, grad_norm: Array, finite: Array) -> tuple[Array, tuple]:
    """The verdict of one step (RUNNING, NON_FINITE or FIRST_RULE + i) and the rules' new memories."""
    loss = loss.astype(jnp.result_type(float))  # the dtype of the memories, and no narrower than the loss
    verdict, new = jnp.where(finite, RUNNING, NON_FINITE), []
    for i, (rule, memory) in enumerate(zip(stop, memories, strict=True)):
        fires, memory = rule.judge(memory, loss, grad_norm)
        verdict = jnp.where((verdict == RUNNING) & fires, FIRST_RULE + i, verdict)
        new.append(memory)
    return verdict.astype(jnp.int32), tuple(new)


def outcome_of(verdict: int, stop: tuple, history: Any, steps: int) -> Outcome:
    """The verdict of a finished run in words, from its history's last rows."""
    step, loss, grad_norm = int(history.step[-1]), float(history.loss[-1]), float(history.grad_norm[-1])
    if verdict == NON_FINITE:
        return Outcome("non_finite", step, *_non_finite_words(step, history))
    if verdict >= FIRST_RULE:
        rule = stop[verdict - FIRST_RULE]
        message, remedy = rule.words(loss, grad_norm)
        return Outcome(rule.code, step, f"{message} at step {step}", remedy)
    tenth = max(1, len(history.loss) // 10)
    rose = np.mean(history.loss[-tenth:]) > np.mean(history.loss[:tenth])
    return Outcome("steps", step, f"made all {steps} steps", "the loss rose: lower learning_rate" if rose else "")


def _non_finite_words(step: int, history: Any) -> tuple[str, str]:
    row = {"loss": history.loss[-1], "gradient norm": history.grad_norm[-1], "update norm": history.update_norm[-1]}
    name, value = next(((k, v) for k, v in row.items() if not np.isfinite(v)), ("parameter norm", np.inf))
    message = f"the {name} became {'NaN' if np.isnan(value) else 'infinite'} at step {step}"
    if name == "gradient norm" and np.isnan(value):
        return message, (
            "the loss is finite there, so its derivative is not: look for a root, logarithm, norm or "
            "division at 0, also in the branch that jnp.where does not choose"
        )
    if step == 1 and name in ("loss", "gradient norm"):
        return message, "the parameters were not moved yet: look at the data, the initial scale and loss_fn itself"
    seen = history.grad_norm[np.isfinite(history.grad_norm)]
    last = f"its last finite gradient norm was {seen[-1]:.3g}: " if len(seen) else ""
    return message, f"{last}lower learning_rate, or clip: chain(ClipByGlobalNorm(1.0), ...)"


def _infinity() -> Array:
    return jnp.asarray(jnp.inf, jnp.result_type(float))


def _check_patience(rule: Any) -> None:
    if isinstance(rule.patience, bool) or not isinstance(rule.patience, int) or rule.patience < 1:
        raise ValueError(
            f"{type(rule).__name__} needs patience to be a whole number >= 1, and was given patience={rule.patience!r}"
        )
