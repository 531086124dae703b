"""From our rules, schedules and clippings to a line of code: gdfunc's own, Optax's, PyTorch's or Keras's."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..clipping import ClipByGlobalNorm, ClipByLeafNorm, ClipByValue
from ..core._chain import Chain
from ..schedules import Schedule
from ._translate_line import NoEquivalent, call, equal, gdfunc_line, record_of, twin_call
from ._translate_names import defaults, signature
from ._twins import fields

# PyTorch's weight_decay is added to the gradient everywhere but here.
DECOUPLED = [("weight_decay", f"torch.optim.{name}") for name in ("AdamW", "Adafactor", "Muon")]
KERAS_CLIPS = {"clipnorm": ClipByLeafNorm, "clipvalue": ClipByValue, "global_clipnorm": ClipByGlobalNorm}


def optax_line(thing: Any) -> str:
    """`optax.adam(learning_rate=0.001, ...)`, with `optax.chain` and schedules inside."""
    if isinstance(thing, Chain):
        return f"optax.chain({', '.join(map(optax_line, thing.parts))})"
    twin, arguments = twin_call("optax", thing)
    for name, parameter in signature("optax", twin.name).parameters.items():
        if not re.search("Callable|Schedule", str(parameter.annotation)):
            _refuse_schedules(twin.name, {name: arguments.get(name)})
    return call(twin.name.replace("optax.schedules.", "optax."), arguments, optax_line)


def keras_line(thing: Any) -> str:
    """`keras.optimizers.Adam(learning_rate=0.001, ...)`; clipping before it becomes an argument."""
    parts = _parts(thing)
    clips = {name: part for part in parts[:-1] for name, make in KERAS_CLIPS.items() if type(part) is make}
    if len(parts) > 2 or len(clips) != len(parts) - 1:
        raise NoEquivalent("a Keras optimizer is one rule, with one clipping of the gradients before it")
    twin, arguments = twin_call("keras", parts[-1])
    for name, clip in clips.items():
        if fields(clip).get("eps"):
            raise NoEquivalent("Keras's clipping has no epsilon")
        arguments = {**arguments, name: getattr(clip, "max_value" if name == "clipvalue" else "max_norm")}
    _refuse_schedules(twin.name, {name: x for name, x in arguments.items() if name != "learning_rate"})
    return call(twin.name, arguments, keras_line)


def torch_line(thing: Any) -> str:
    """`torch.optim.Adam(params, lr=0.001, ...)`; a schedule and clipping are lines of their own."""
    if isinstance(thing, Schedule):
        return _scheduler(thing)[0]
    *before, rule = _parts(thing)
    folded: dict[str, Any] = {}  # what PyTorch does inside its optimizers, last first
    if before and _is_record(before[-1], "add_decayed_weights"):
        folded["weight_decay"] = before.pop().weight_decay
    if before and _is_record(before[-1], "scale") and before[-1].factor == -1:
        before.pop()
        folded["maximize"] = True
    clipping = [_clip(part) for part in before]
    scheduler, rate = "", getattr(rule, "learning_rate", None)
    if isinstance(rate, Schedule):
        if getattr(rule, "momentum", None) is not None and getattr(rule, "momentum_at", "") == "after_rate":
            raise NoEquivalent("PyTorch multiplies the velocity by the scheduled rate: momentum_at='before_rate'")
        scheduler, base = _scheduler(rate)
        rule = dataclasses.replace(rule, learning_rate=base)
    twin, arguments = twin_call("torch", rule)
    if not twin.name.startswith("torch.optim."):
        return "\n".join([*clipping, _clip(rule)])
    for name in folded:
        if arguments.get(name) or name not in defaults("torch", twin.name) or (name, twin.name) in DECOUPLED:
            raise NoEquivalent(f"{twin.name} has no {name} that does what stands before it in the chain")
    arguments = {**arguments, **folded}
    _refuse_schedules(twin.name, arguments)
    line = call(twin.name, arguments, torch_line, "params")
    if not scheduler and not clipping:
        return line
    return "\n".join([f"optimizer = {line}", *([f"scheduler = {scheduler}"] if scheduler else []), *clipping])


def _refuse_schedules(name: str, arguments: Mapping[str, Any]) -> None:
    for argument, x in arguments.items():
        if any(isinstance(part, Schedule) for part in (x if isinstance(x, (tuple, list)) else (x,))):
            raise NoEquivalent(f"{name} takes no schedule as {argument}")


def _parts(thing: Any) -> list[Any]:
    """The parts of a chain, and of chains in it; a rule alone is one part."""
    if not isinstance(thing, Chain):
        return [thing]
    if not thing.parts:
        raise NoEquivalent("an empty chain is no rule there")
    return [part for each in thing.parts for part in _parts(each)]


def _is_record(part: Any, name: str) -> bool:
    return (known := record_of(part)) is not None and known.name == name


def _clip(part: Any) -> str:
    twin, arguments = twin_call("torch", part)
    if not twin.name.startswith("torch.nn.utils."):
        raise NoEquivalent(f"a chain in PyTorch ends with its only rule, and {type(part).__name__} is another")
    return call(twin.name, arguments, torch_line, "params")


def _scheduler(schedule: Any) -> tuple[str, float]:
    """The scheduler's line, and the rate that its optimizer is made with."""
    twin, arguments = twin_call("torch", schedule)
    own = {name: x for name, x in arguments.items() if name not in ("base", "last")}
    return call(twin.name, own, torch_line, "optimizer"), float(arguments["base"])


LINES: dict[str, Callable[[Any], str]] = {
    "gdfunc": gdfunc_line,
    "optax": optax_line,
    "torch": torch_line,
    "keras": keras_line,
}


def nearest(library: str, thing: Any) -> Iterator[tuple[str, str]]:
    """Lines for rules that differ from `thing` in one field: (the field as one writes it, the line)."""
    if isinstance(thing, Chain):
        for i, part in enumerate(thing.parts):
            for changed, words in _neighbours(part):
                yield from _try(library, Chain(*thing.parts[:i], changed, *thing.parts[i + 1 :]), words)
    else:
        for changed, words in _neighbours(thing):
            yield from _try(library, changed, words)


def _neighbours(thing: Any) -> Iterator[tuple[Any, str]]:
    if (known := record_of(thing)) is None:
        return
    usual = {field.name: field.default for field in dataclasses.fields(thing)}
    for name, field in sorted(thing._fields.items(), key=lambda item: not item[1].static):  # conventions first
        values = [*(field.choices or ()), usual[name], *(given[name] for given in known.settings if name in given)]
        values = [x for i, x in enumerate(values) if not any(equal(x, before) for before in values[:i])]
        if usual[name] is dataclasses.MISSING:  # what must be given is what the user meant
            continue
        for value in values:
            if not equal(getattr(thing, name), value):
                try:
                    yield dataclasses.replace(thing, **{name: value}), f"{name}={value!r}"
                except ValueError:
                    continue


def _try(library: str, thing: Any, words: str) -> Iterator[tuple[str, str]]:
    try:
        yield words, LINES[library](thing)
    except NoEquivalent:
        return
