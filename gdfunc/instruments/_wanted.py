"""Which instruments are to be read, and how often."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from ..clipping import AdaptiveClip, ClipByBlockRMS, ClipByGlobalNorm, ClipByLeafNorm, ClipByValue
from ..core import Chain, Tree, did_you_mean
from ._instruments import IN_STEP, INSTRUMENTS, SETS
from ._stability import sharpness_ratio

Instruments: TypeAlias = str | Sequence[str] | Mapping[str, int | None]
OF_EXAMPLES = (
    "gradient_noise",
    "gradient_signal",
    "noise_scale",
    "norm_test",
    "inner_product_test",
    "orthogonality_test",
)


def wanted(who: str, given: Instruments, absent: Mapping[str, str]) -> dict[str, int]:
    """Name -> how many records pass from one reading to the next, for instruments named alone or by a set.

    Args:
        who: the caller, for errors.
        given: a set ("economy", "standard", "full"), names, or a mapping from either to a number of records; None is as
            usual, 1 or in a set the instrument's own pace.
        absent: from `absent`. A set leaves these out.

    Raises:
        ValueError: with the nearest names, where there is no such set or instrument; where one is named that is absent;
            where a number of records is none.
    """
    if not isinstance(given, (str, Mapping, list, tuple, set, frozenset)):
        raise ValueError(f"{who} needs instruments by name, in a list or a mapping, and was given {given!r}")
    pairs = (
        given.items()
        if isinstance(given, Mapping)
        else [(x, None) for x in ([given] if isinstance(given, str) else given)]
    )
    found: dict[str, int] = {}
    for name, pace in pairs:
        if pace is not None and (not isinstance(pace, int) or isinstance(pace, bool) or pace < 1):
            raise ValueError(
                f"{who} needs a whole number of records >= 1 between readings of {name!r}, and was given {pace!r}"
            )
        if name in SETS:
            found |= {each: pace or INSTRUMENTS[each].pace for each in SETS[name] if each not in absent}
            continue
        if name not in INSTRUMENTS:
            raise did_you_mean(f"{who}, as instruments,", name, [*SETS, *INSTRUMENTS])
        if name in absent:
            raise ValueError(f"{who} cannot read {name}: {absent[name]}")
        found[name] = pace or 1
    return found


def left_out_of(who: str, given: Instruments, absent: Mapping[str, str]) -> str:
    """Which instruments of the sets are left out, and why."""
    named = wanted(who, given, {}) if given else {}
    return "; ".join(f"{name} ({why})" for name, why in absent.items() if name in named)


def absent(rule: Any, batch: Tree) -> dict[str, str]:
    """Name -> why it cannot be read.

    Args:
        rule: the update rule; None where it is not known.
        batch: the loss's, arrays or their shapes.
    """
    found = {}
    if not list(clippings(rule)):
        found["clipped"] = (
            'it needs a gdfunc chain that begins with clipping; around another, put gdfunc.instruments.see("raw") and '
            'see("clipped")'
        )
    if all(sharpness_ratio(1.0, rule, preconditioned=scaled) is None for scaled in (False, True)):
        found["sharpness_ratio"] = "it needs gdfunc.train with SGD, HeavyBall or Adam alone: their limits are known"
    sizes = [jnp.shape(x)[:1] for x in jax.tree.leaves(batch)]
    if not sizes:
        words = "the loss needs a batch as its argument after the parameters: loss_fn(params, batch)"
        found |= dict.fromkeys(OF_EXAMPLES, words)
    elif set(sizes) != {sizes[0]} or sizes[0] in ((), (0,), (1,)):
        found |= dict.fromkeys(
            OF_EXAMPLES, "the batch needs one leading axis, of at least 2 examples, on all its arrays"
        )
    return found


def in_step_and_apart(
    names: Mapping[str, int], in_step: bool = True
) -> tuple[tuple[str, ...], dict[int, tuple[str, ...]]]:
    """(those read with the step's own gradient, at every record; by number of records between readings, the others).

    Args:
        names: name -> how many records pass between its readings.
        in_step: whether there is one gradient of one batch.
    """
    first = tuple(name for name, pace in names.items() if in_step and pace == 1 and name in IN_STEP)
    rest = {name: pace for name, pace in names.items() if name not in first}
    return first, {pace: tuple(name for name in rest if rest[name] == pace) for pace in sorted(set(rest.values()))}


_CLIPPINGS = (AdaptiveClip, ClipByBlockRMS, ClipByGlobalNorm, ClipByLeafNorm, ClipByValue)


def clippings(rule: Any) -> Iterator[tuple[int, Any]]:
    """(its place, the part) of the clippings that a chain begins with."""
    for i, part in enumerate(rule.parts if isinstance(rule, Chain) else ()):
        if not isinstance(part, _CLIPPINGS):
            return
        yield i, part
