"""What several records share: papers, reasons, and the expected differences that bias corrections make."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import jax

from ...core import ArrayRule, Deviation, Paper, Rule
from ...core._chain import Chain
from .. import record_of

ADAM = Paper(
    "Kingma & Ba",
    2015,
    "Adam: A Method for Stochastic Optimization",
    "ICLR",
    "https://arxiv.org/abs/1412.6980",
)

TORCH_HAS_NONE = "torch.optim has no such rule"


def one_minus_power(decay: float, t: int) -> float:
    """1 - decay**t rounded once: in floats the subtraction would cost the transcription three digits."""
    return float(1 - Fraction(decay) ** t)


def optax_parts(rule: Any) -> list[Any] | str | None:
    """What a rule inside another is in Optax: for each part of a chain the twin with our rule, or an Optax transformation.

    A sentence where Optax has no equivalent; None where it is no rule of ours.
    """
    if not isinstance(rule, Rule):
        return None
    if isinstance(rule, Chain):
        found = [optax_parts(part) for part in rule.parts]
        reason = next((each for each in found if isinstance(each, str)), None)
        return reason or [x for part, each in zip(rule.parts, found, strict=True) for x in each or [part]]
    twin = known.twin("optax") if (known := record_of(rule)) else None
    if twin is None:
        return f"Optax has no equivalent of the rule inside, {type(rule).__name__}"
    names = [field.name for field in dataclasses.fields(rule)]  # pyright: ignore[reportArgumentType]
    arguments = twin.arguments(**{name: getattr(rule, name) for name in names})
    return arguments if isinstance(arguments, str) else [(twin, rule)]


def not_in_optax(rule: Any) -> str:
    """Why a rule inside another has no equivalent in Optax; empty where it has."""
    parts = optax_parts(rule)
    return parts if isinstance(parts, str) else ""


def inner_paper(rule: Any, gradients: Any, params: Any) -> Any:
    """What the paper of the rule inside another makes of gradients: leaf -> (steps, ...), as the transcription of its record."""
    known = record_of(rule)
    if known is None or known.transcription is None:
        raise ValueError(f"inner_paper needs a rule whose record has a transcription, and was given {rule!r}")
    return follow_paper(known.transcription, rule, gradients, params)


def follow_paper(transcription: Callable, rule: Any, gradients: Any, params: Any, data: Any = None) -> Any:
    """What a transcription with the numbers of a rule makes of gradients: leaf -> (steps, ...).

    One array at a time, but for rules that see the whole tree.
    """
    names = list(inspect.signature(transcription).parameters)[2:]
    numbers = {name: getattr(rule, name) for name in names if hasattr(rule, name)}
    for each in scheduled(names):
        if hasattr(rule, each):
            numbers[f"{each}s"] = _values(getattr(rule, each), len(next(iter(gradients.values()))))
    if "data" in names:
        numbers["data"] = data
    if isinstance(rule, ArrayRule) or not isinstance(rule, Rule):
        return {leaf: transcription(g, params[leaf], **numbers) for leaf, g in gradients.items()}
    return transcription(gradients, params, **numbers)


def scheduled(names: Iterable[str]) -> set[str]:
    """The fields of which a transcription with these parameters asks for the value at every step: `rates` for `rate`."""
    return {name[:-1] for name in names if name in ("rates", "learning_rates")}


def _values(number: Any, steps: int) -> list[float]:
    with jax.enable_x64(True):
        return [float(number(t)) if callable(number) else number for t in range(steps)]  # pyright: ignore[reportArgumentType]


def literal_debias(twin: str, float32: float, float64: float | None, **settings: Any) -> Deviation:
    """Optax's bias correction against our accurate one.

    Args:
        twin: Optax's name.
        float32: the difference measured, in rounding errors; half to twice as much is expected.
        float64: likewise; None where it is lost in the tolerance.
        **settings: at which settings it shows.
    """
    return Deviation(
        twin=twin,
        since="optax 0.2.8",
        what="1 - beta**t is evaluated literally, in float32 where x64 is off: digits cancel in the first steps",
        settings={"debias": "exact", **settings},
        sizes=_around(float32=float32, float64=float64),
        thread="https://github.com/google-deepmind/optax/issues/1532",
    )


def double_debias(twin: str, float32: float, float64: float, **settings: Any) -> tuple[Deviation, ...]:
    """PyTorch's bias correction, literal in float64, against both forms of ours; arguments as for `literal_debias`."""
    return (
        Deviation(
            twin=twin,
            since="torch 2.13.0",
            what="1 - beta**t is evaluated literally in float64: digits cancel in the first steps",
            settings={"debias": "exact", **settings},
            sizes=_around(float64=float64),
        ),
        Deviation(
            twin=twin,
            since="torch 2.13.0",
            what="1 - beta**t is evaluated in float64 for float32 parameters too; debias='power' follows Optax's float32",
            settings={"debias": "power", **settings},
            sizes=_around(float32=float32),
        ),
    )


def zero_gradient_in_float16(twin: str, why: str, thread: str = "", **settings: Any) -> Deviation:
    """NaN at a zero gradient in float16: a test shows it, at settings of its own."""
    return Deviation(
        twin=twin,
        since="optax 0.2.8",
        what=f"in float16 a zero gradient gives NaN: {why}",
        settings=settings or {"learning_rate": 0.5},
        thread=f"https://github.com/google-deepmind/optax/{thread}" if thread else "",
    )


def _around(**measured: float | None) -> dict[str, tuple[float, float]]:
    return {mode: (size / 2, size * 2) for mode, size in measured.items() if size is not None}
