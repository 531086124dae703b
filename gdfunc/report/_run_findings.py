"""A run's findings in plain words, each with its evidence, its threshold and what its remedies came to."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ._numbers import number

# Kind -> (what happens, what it means for the network).
_PLAIN = {
    "nonfinite": ("Numbers are no longer finite", "From here on NaN or infinity spreads through the network."),
    "unreached_parameters": ("No gradient reaches some parameters", "They do not learn: frozen, unused, or cut off."),
    "unused_data": ("Some data is not used", "The loss does not depend on it."),
    "poorly_scaled_input": ("The inputs are badly scaled", "Some are so large or small that they drown the others."),
    "symmetric_init": ("Units are copies of each other", "They get equal gradients and stay equal."),
    "dead_units": ("Units are dead", "They give zero for every example, so no gradient comes through them."),
    "saturation": (
        "Units are saturated",
        "They sit on the flat ends of the activation, where its slope is close to zero.",
    ),
    "vanishing": ("The gradient vanishes", "The layers nearest the input get almost no gradient: they hardly learn."),
    "exploding": ("The gradient explodes", "It grows from layer to layer: a step can throw the weights far off."),
    "rank_collapse": ("Examples become alike", "The deeper layers can hardly tell one example from another."),
    "shattered_gradients": (
        "Gradients are shattered",
        "Inputs that are close to each other ask for unrelated changes: their gradients look like noise.",
    ),
    "loss_mismatch": ("The loss does not fit the output", "Whatever the network gives out, the loss stays high."),
    "rate_too_high": ("The learning rate is too high", "Steps are so long that they overshoot."),
    "rate_too_low": ("The learning rate is too low", "Steps are so short that little is learned."),
}


class Remedy(NamedTuple):
    """A remedy, what it changed the measured number to, and where that lies on the finding's axis in percent."""

    name: str
    before: str
    after: str
    at: float | None
    verdict: str  # "helps", "does not help" or "not tried"


class Story(NamedTuple):
    """A finding, ready to be shown. `at`, `threshold_at` and the remedies' `at` are places on one axis, in percent."""

    title: str
    means: str
    layer: str
    index: int | None
    step: int | None
    statement: str
    value: str
    threshold: str
    unit: str
    source: str
    at: float | None
    threshold_at: float | None
    remedies: list[Remedy]
    kind: str

    @property
    def where(self) -> str:
        """The layer and the step, in words."""
        parts = [f"at {self.layer}" if self.layer else "", "" if self.step is None else f"seen at step {self.step}"]
        return ", ".join(filter(None, parts))


def story(finding: Mapping[str, Any], layers: Sequence[str]) -> Story:
    """A finding in plain words.

    Args:
        finding: as in a run's findings.json; whatever is missing in it is left out.
        layers: the layers' names, from the input to the output.
    """
    kind = str(finding.get("kind") or "finding")
    title, means = _PLAIN.get(kind, (kind.replace("_", " ").capitalize(), ""))
    evidence = finding.get("evidence") or {}
    statement = str(evidence.get("statement") or "")
    value, threshold = evidence.get("value"), evidence.get("threshold", finding.get("threshold"))
    remedies = list(finding.get("remedies") or ())
    place = _axis([value, threshold, *(remedy.get("after") for remedy in remedies)])
    layer = finding.get("layer")
    if isinstance(layer, int) and 0 <= layer < len(layers):
        layer = layers[layer]
    return Story(
        title=title,
        means=means,
        layer=str(layer or ""),
        index=layers.index(layer) if layer in layers else None,
        step=finding.get("step"),
        statement=statement[:1].upper() + statement[1:],
        value=said(value),
        threshold=said(threshold),
        unit=str(evidence.get("unit") or ""),
        source=str(finding.get("source") or ""),
        at=place(value),
        threshold_at=place(threshold),
        remedies=[
            Remedy(
                str(remedy.get("name") or "?"),
                said(remedy.get("before")),
                said(remedy.get("after")),
                place(remedy.get("after")),
                "not tried" if not remedy.get("tried") else "helps" if remedy.get("helps") else "does not help",
            )
            for remedy in remedies
        ],
        kind=kind,
    )


def said(x: Any) -> str:
    """A number in three digits, "NaN" where it is none, and nothing where there is nothing."""
    x = _number(x)
    return "" if x is None else number(x, 3).replace("nan", "NaN")


def _number(x: Any) -> float | None:
    try:
        return None if x is None else float(x)
    except (TypeError, ValueError):
        return None


def _axis(numbers: Sequence[Any]):
    """A function from a number to its place in percent: on a logarithmic axis where all are positive and spread widely."""
    known = [x for x in map(_number, numbers) if x is not None and math.isfinite(x)]
    log = bool(known) and min(known) > 0 and max(known) > 50 * min(known)
    scaled = [math.log(x) for x in known] if log else [*known, 0.0]
    low, high = min(scaled, default=0.0), max(scaled, default=0.0)

    def place(x: Any) -> float | None:
        x = _number(x)
        if x is None or not math.isfinite(x) or high == low:
            return None
        return round(6 + 88 * ((math.log(x) if log else x) - low) / (high - low), 1)

    return place


def grouped(stories: Sequence[Story]) -> list[list[tuple[int, Story]]]:
    """Findings of one kind together, each with its number."""
    kinds: dict[str, list[tuple[int, Story]]] = {}
    for i, each in enumerate(stories):
        kinds.setdefault(each.kind, []).append((i, each))
    return list(kinds.values())
