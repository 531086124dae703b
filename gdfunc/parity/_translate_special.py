"""The few calls that records cannot be read backwards for: lists of numbers, and factors that a record normalises."""

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

from ..schedules import Constant, CosineRestarts, Exponential, Linear, Piecewise, records
from ._translate_unknowns import neat
from ._twins import fields
from ._unify import same


def _multi_step(base, milestones, gamma, **_):
    values = [neat(base * gamma**i) for i in range(len(milestones) + 1)]
    return Piecewise(tuple(values), tuple(milestones))


def _constant(base, factor, total_iters, **_):
    return Piecewise((neat(base * factor), base), (total_iters,)) if total_iters else Constant(base)


def _linear(base, start_factor, end_factor, total_iters, **_):
    return Linear(neat(base * start_factor), neat(base * end_factor), total_iters)


def _stairs(init_value, boundaries_and_scales):
    scales = dict(sorted((boundaries_and_scales or {}).items()))
    values = accumulate(scales.values(), lambda value, scale: neat(value * scale), initial=init_value)
    return Piecewise(tuple(values), tuple(scales)) if scales else Constant(init_value)


def _keras_stairs(boundaries, values, **_):
    return Piecewise(tuple(values), tuple(b + 1 for b in boundaries))


def _exponential(init_value, transition_steps, decay_rate, transition_begin, staircase, end_value):
    bounded = staircase or transition_begin or end_value is not None
    return None if bounded else Exponential(init_value, decay_rate, transition_steps)


def _restarts(cosine_kwargs):
    if not cosine_kwargs:
        return None
    first, *others = cosine_kwargs
    growth = others[0]["decay_steps"] / first["decay_steps"] if others else 1
    twin = records()["cosine_restarts"].twins[0]
    ours = CosineRestarts(first["peak_value"], first["decay_steps"], int(growth), first["end_value"])
    return ours if same(twin.arguments(**fields(ours)), {"cosine_kwargs": cosine_kwargs}) else None


SPECIAL: dict[str, Callable[..., Any]] = {
    "torch.optim.lr_scheduler.ConstantLR": _constant,
    "torch.optim.lr_scheduler.LinearLR": _linear,
    "torch.optim.lr_scheduler.MultiStepLR": _multi_step,
    "optax.piecewise_constant_schedule": _stairs,
    "optax.schedules.piecewise_constant_schedule": _stairs,
    "optax.exponential_decay": _exponential,
    "optax.schedules.exponential_decay": _exponential,
    "optax.sgdr_schedule": _restarts,
    "optax.schedules.sgdr_schedule": _restarts,
    "keras.optimizers.schedules.PiecewiseConstantDecay": _keras_stairs,
}


def special(full: str, given: Mapping[str, Any]) -> Any:
    """The schedule of a call in the table; None where it is in none, or has arguments that it cannot read."""
    try:
        return SPECIAL[full](**given) if full in SPECIAL else None
    except (TypeError, LookupError, AttributeError, ArithmeticError):
        return None
