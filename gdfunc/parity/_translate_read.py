"""From another library's call, by full name and arguments, to our rule and to what a person who ports should know."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core import Deviation, chain
from ..rules import AddDecayedWeights
from . import _translate_keras_calls as keras
from ._translate_inverse import Found, invert, is_called, known_makes, twins
from ._translate_line import NoEquivalent
from ._translate_names import defaults
from ._translate_special import special
from ._translate_write import DECOUPLED, KERAS_CLIPS
from ._twins import fields

Read = tuple[Any, list[str]]  # the rule, and notes

_NESTEROV = {"optax.adam": "optax.nadam", "optax.adamw": "optax.nadamw"}  # one function in Optax
_SPEED = ("foreach", "fused", "capturable", "differentiable")  # how PyTorch computes a step, not which


def read(library: str, full: str, given: Mapping[str, Any]) -> Read:
    """Our rule, schedule or clipping for one call.

    Raises:
        NoEquivalent: with the reason, where there is none.
        ValueError: where a number is out of range.
    """
    if full == "optax.chain":
        return chain(*given.get("args", ())), []
    if full in _NESTEROV and given.get("nesterov"):
        full, given = _NESTEROV[full], {name: x for name, x in given.items() if name != "nesterov"}
    if library == "torch":
        return _torch(full, dict(given))
    return _keras(full, dict(given)) if library == "keras" else plain(library, full, given)


def plain(library: str, full: str, given: Mapping[str, Any]) -> Read:
    """The rule whose record names this call."""
    if (found := _found(library, full, given)) is None:
        raise NoEquivalent(_blame(library, full, given))
    return found


def _found(library: str, full: str, given: Mapping[str, Any]) -> Read | None:
    if (found := invert(library, full, given)) is not None:
        return found.rule, notes(found)
    schedule = special(full, {**defaults(library, full), **given})
    return None if schedule is None else (schedule, [])


def notes(found: Found) -> list[str]:
    """The twin's note, and the differences from it that the record expects of this rule."""
    given = fields(found.rule)

    def shows(known: Deviation) -> bool:
        return known.twin == found.twin.name and all(given.get(n) == x for n, x in known.settings.items())

    differs = [f"known difference ({each.since}), {each.what}" for each in found.record.deviations if shows(each)]
    return [f"{found.twin.name}: {told.rstrip('.')}." for told in (found.twin.note, *differs) if told]


def _blame(library: str, full: str, given: Mapping[str, Any]) -> str:
    """Why no rule is this call: the argument without which one would be."""
    if full in keras.WITHOUT:
        return keras.WITHOUT[full]
    makers = (twin for known in known_makes() for twin in twins(library, known))
    twin = next((twin for twin in makers if is_called(library, twin.name, full)), None)
    if twin is None:
        return f"no rule, schedule or clipping of gdfunc is {full}"
    for name in given:
        if name in defaults(library, full):
            others = {n: x for n, x in given.items() if n != name}
            if _found(library, full, others) is not None:
                return f"no rule of gdfunc is {full} with {name}={given[name]!r}"
    return f"no rule of gdfunc is {full} with these arguments together{twin.note and f' ({twin.note.rstrip(chr(46))})'}"


def _torch(full: str, given: dict[str, Any]) -> Read:
    told = []
    if speed := [name for name in _SPEED if given.pop(name, None)]:
        told.append(f"{full}: {', '.join(speed)} says how it is computed, not what.")
    if ".lr_scheduler." in full:
        return _scheduler(full, given)
    if not full.startswith("torch.optim."):
        return plain("torch", full, given)
    parts = []
    if given.pop("maximize", False):
        parts.append(plain("optax", "optax.scale", {"step_size": -1.0})[0])
    if full == "torch.optim.Adam" and given.get("decoupled_weight_decay"):
        full, given = "torch.optim.AdamW", {"weight_decay": 0.0, **given}
        del given["decoupled_weight_decay"]
    if full == "torch.optim.Adafactor" and (eps := given.get("eps", (None, 1e-3)))[0] is None:
        given["eps"] = (float(np.finfo(np.float32).eps), eps[1])
        told.append(f"{full}: eps None is that of the dtype; float32's stands for it.")
    if full == "torch.optim.SGD" and not given.get("momentum") and given.pop("dampening", 0):
        told.append(f"{full}: dampening does nothing without momentum.")
    try:
        rule, more = _optimizer(full, given)
    except NoEquivalent:
        if (
            ("weight_decay", full) in DECOUPLED
            or given.get("decoupled_weight_decay")
            or not (share := given.pop("weight_decay", 0))
        ):
            raise
        parts.append(AddDecayedWeights(share))
        rule, more = _optimizer(full, given)
        told.append(f"{full}: its weight_decay is added to the gradient.")
    return (chain(*parts, rule) if parts else rule), [*told, *more]


def _optimizer(full: str, given: Mapping[str, Any]) -> Read:
    """An optimizer of PyTorch; its records speak of a fixed rate, and a schedule is put in afterwards."""
    rate = given.get("lr")
    rule, told = plain("torch", full, {**given, "lr": 1.0} if callable(rate) else given)
    if getattr(rule, "momentum", None) is not None and getattr(rule, "momentum_at", "") == "after_rate":
        # Both are the same while the rate is fixed; PyTorch's scheduler changes it under a velocity of gradients.
        rule = dataclasses.replace(rule, momentum_at="before_rate")
    return (dataclasses.replace(rule, learning_rate=rate) if callable(rate) else rule), told


def _scheduler(full: str, given: dict[str, Any]) -> Read:
    told = []
    if full.endswith(".OneCycleLR"):
        if given.pop("cycle_momentum", True):
            raise NoEquivalent("OneCycleLR moves the momentum too, unless it is given cycle_momentum=False")
        epochs, each = given.pop("epochs", None), given.pop("steps_per_epoch", None)
        if given.get("total_steps") is None and epochs and each:
            given["total_steps"] = epochs * each
        given = {"cycle_momentum": False, **given, "base": given["max_lr"]}
    elif "base" not in given:
        given["base"] = 1.0
        told.append(f"{full}: it multiplies its optimizer's lr, which is not given; 1.0 stands for it.")
    schedule, more = plain("torch", full, given)
    return schedule, [*told, *more]


def _keras(full: str, given: dict[str, Any]) -> Read:
    given.pop("name", None)
    clips = {name: given.pop(name) for name in KERAS_CLIPS if given.get(name) is not None}
    if len(clips) > 1:
        raise ValueError(f"{full} takes one of {', '.join(KERAS_CLIPS)}, and was given {', '.join(clips)}")
    if full == "keras.optimizers.Adam" and given.get("weight_decay"):
        full = "keras.optimizers.AdamW"
    if full != "keras.optimizers.AdamW" and not given.get("weight_decay", 1):
        del given["weight_decay"]  # 0 is none
    rule, told = plain("keras", full, given)
    return chain(*(KERAS_CLIPS[name](x) for name, x in clips.items()), rule) if clips else rule, told
