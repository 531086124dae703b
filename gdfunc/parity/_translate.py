"""Rules between gdfunc, Optax, PyTorch and Keras: what a call there is here, and the other way round.

Nothing of it is written by hand for a rule: its record says how our fields become their arguments, and that is read in both
directions.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..core import Transformation
from ._translate_inverse import Found
from ._translate_line import TITLES, NoEquivalent, gdfunc_line, number, record_of, twin_call
from ._translate_names import bind, full_name
from ._translate_read import notes, read
from ._translate_write import LINES, nearest


@dataclasses.dataclass(frozen=True)
class Translation:
    """A rule of one library in the words of another.

    Attributes:
        rule: ours, or None where we have none.
        code: the line to paste, or None where there is no equivalent.
        note: what a person who ports should know; where there is no equivalent, why.
    """

    rule: Any
    code: str | None
    note: str

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.code, self.note)))


def from_torch(name: str, /, **arguments: Any) -> Translation:
    """Our rule that does what PyTorch's does: `from_torch("AdamW", lr=1e-3)`.

    What the call leaves out is PyTorch's own default, as recorded from the release that the records speak of. An L2 penalty
    (`weight_decay` of all but AdamW, Adafactor and Muon) becomes `AddDecayedWeights` before the rule where the rule has
    none of its own.

    Args:
        name: an optimizer ("AdamW", "torch.optim.AdamW"), a scheduler ("lr_scheduler.StepLR") or a clipping
            ("clip_grad_norm_").
        **arguments: its keyword arguments; `lr` may be one of our schedules, and a scheduler takes its optimizer's rate
            as `base`.

    Returns:
        The `Translation` with our rule and gdfunc's line.

    Raises:
        ValueError: on an unknown name or argument, with the nearest ones, and on a number out of range.
    """
    return translated("torch", full_name("torch", name), (), arguments)


def from_optax(name: str, /, **arguments: Any) -> Translation:
    """Our rule that does what Optax's does: `from_optax("adamw", learning_rate=1e-3)`.

    Args:
        name: a function of Optax: "adamw", "optax.contrib.muon", "cosine_decay_schedule", "clip_by_global_norm".
        **arguments: its keyword arguments; rules and schedules among them are ours.

    Returns:
        The `Translation` with our rule and gdfunc's line.

    Raises:
        ValueError: on an unknown name or argument, with the nearest ones, and on a number out of range.
    """
    return translated("optax", full_name("optax", name), (), arguments)


def from_keras(name: str, /, **arguments: Any) -> Translation:
    """Our rule that does what Keras 3's does: `from_keras("Adam", learning_rate=1e-3)`.

    Keras's side is taken from its documentation and source; unlike Optax's and PyTorch's it was not run.

    Args:
        name: an optimizer ("Adam") or a schedule ("schedules.CosineDecay").
        **arguments: its keyword arguments; a schedule among them is ours.

    Returns:
        The `Translation` with our rule and gdfunc's line.

    Raises:
        ValueError: on an unknown name or argument, with the nearest ones, and on a number out of range.
    """
    return translated("keras", full_name("keras", name), (), arguments)


def to_gdfunc(rule: Any) -> Translation:
    """gdfunc's own line for a rule, schedule, clipping or chain: `gd.rules.AdamW(learning_rate=0.001, decay="rate")`."""
    return written("gdfunc", rule)


def to_torch(rule: Any) -> Translation:
    """PyTorch's line for a rule, schedule, clipping or chain of ours: `torch.optim.AdamW(params, lr=0.001, ...)`.

    A scheduled rate and clipping are lines of their own. Arguments are written out in full.

    Args:
        rule: ours.

    Returns:
        The `Translation`; its code is None where PyTorch has no equivalent, and the note says why.
    """
    return written("torch", rule)


def to_optax(rule: Any) -> Translation:
    """Optax's line for a rule, schedule, clipping or chain of ours; as `to_torch`."""
    return written("optax", rule)


def to_keras(rule: Any) -> Translation:
    """Keras 3's line for a rule, schedule, or chain of ours; as `to_torch`."""
    return written("keras", rule)


def translated(library: str, full: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Translation:
    """A call by its full name, as our rule."""
    base = {"base": keywords["base"]} if ".lr_scheduler." in full and "base" in keywords else {}
    try:
        given = bind(library, full, arguments, {n: x for n, x in keywords.items() if n not in base})
        rule, told = read(library, full, {n: _plain(x) for n, x in {**given, **base}.items()})
    except NoEquivalent as why:
        return Translation(None, None, f"{full} has no equivalent, because {why}.")
    try:
        return Translation(rule, gdfunc_line(rule), "\n".join(told))
    except NoEquivalent as why:
        return Translation(rule, None, "\n".join([*told, f"The rule has no line, because {why}."]))


def written(library: str, rule: Any) -> Translation:
    """Our rule as another library's line.

    Raises:
        ValueError: where it is no rule, schedule or clipping.
    """
    if isinstance(rule, type) or not (isinstance(rule, Transformation) or callable(rule)):
        raise ValueError(f"to_{library} needs a rule, schedule or clipping of gdfunc, and was given {rule!r}")
    try:
        return Translation(rule, LINES[library](rule), "\n".join(_told(library, rule)))
    except NoEquivalent as why:
        near = "".join(f"\nWith {words} it would be {line}" for words, line in islice(nearest(library, rule), 2))
        return Translation(rule, None, f"It has no equivalent in {TITLES[library]}, because {why}.{near}")


def _told(library: str, rule: Any) -> list[str]:
    """What is known of the twins in a line."""
    found: list[str] = []
    for part in getattr(rule, "parts", [rule]):
        for thing in (part, getattr(part, "learning_rate", None)):
            if library != "gdfunc" and (known := record_of(thing)) is not None:
                try:
                    found += notes(Found(thing, known, twin_call(library, thing)[0]))
                except NoEquivalent:
                    continue  # a part that is an argument of another
    return list(dict.fromkeys(found))


def _plain(x: Any) -> Any:
    """NumPy's and JAX's numbers as Python's; sequences of them as they are."""
    if isinstance(x, (tuple, list)):
        return type(x)(map(_plain, x))
    if isinstance(x, Translation):
        return x.rule
    return number(x) if isinstance(x, np.generic) or hasattr(x, "aval") else x
