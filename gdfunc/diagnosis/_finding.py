"""What a diagnosis says: findings with their evidence, and remedies with what they did when they were tried."""

import math
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "nonfinite",
    "unreached_parameters",
    "unused_data",
    "poorly_scaled_input",
    "symmetric_init",
    "dead_units",
    "saturation",
    "vanishing",
    "exploding",
    "rank_collapse",
    "rate_too_high",
    "rate_too_low",
)


def _plain(x: float | None) -> float | None:
    """None for what JSON has no number for."""
    return None if x is None or not math.isfinite(x) else float(x)


@dataclass(frozen=True)
class Remedy:
    """A change that may help, and the evidence's number before it and after it was tried.

    Attributes:
        name: what to change, in words or as our line of code.
        before: the number that the finding speaks of, as it was.
        after: the same number under the remedy; None where it could not be tried here.
        helps: whether the finding is gone.
    """

    name: str
    before: float
    after: float | None = None
    helps: bool = False

    def __str__(self) -> str:
        if self.after is None:
            return f"{self.name} (not tried)"
        return f"{self.name}: {self.before:.3g} -> {self.after:.3g}{'' if self.helps else ', not enough'}"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, on what evidence, and what mends it.

    Attributes:
        kind: one of `KINDS`.
        layer: the path of the parameter that the layer consumes; "" for the whole network.
        statement: the evidence in a sentence.
        value: its number.
        threshold: the number beyond which it is a finding.
        unit: of both.
        source: where the threshold comes from.
        remedies: the best first: those that were tried and helped before the others.
    """

    kind: str
    layer: str
    statement: str
    value: float
    threshold: float
    unit: str
    source: str
    remedies: tuple[Remedy, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and words, for JSON."""
        return {
            "kind": self.kind,
            "layer": self.layer,
            "evidence": {"statement": self.statement, "value": _plain(self.value), "unit": self.unit},
            "threshold": self.threshold,
            "source": self.source,
            "remedies": [
                {
                    "name": r.name,
                    "before": _plain(r.before),
                    "after": _plain(r.after),
                    "tried": r.after is not None,
                    "helps": r.helps,
                }
                for r in self.remedies
            ],
        }

    def __str__(self) -> str:
        where = f" in {self.layer}" if self.layer else ""
        lines = [
            f"{self.kind.replace('_', ' ')}{where}: {self.statement}",
            f"  threshold {self.threshold:g} {self.unit}",
        ]
        lines[-1] += f" ({self.source})"
        return "\n".join(lines + [f"  remedy: {remedy}" for remedy in self.remedies])


@dataclass(frozen=True)
class Diagnosis:
    """The findings, the most basic first, and the layers that were looked at.

    Attributes:
        findings: empty where nothing was found.
        layers: a row each: name, activation, and the numbers that the findings are made of.
        unseen: sentences on what could not be looked at.
    """

    findings: tuple[Finding, ...]
    layers: tuple[dict[str, Any], ...] = ()
    unseen: tuple[str, ...] = field(default=())

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the findings."""
        return frozenset(finding.kind for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and words, for JSON."""
        return {
            "schema": 1,
            "findings": [finding.as_dict() for finding in self.findings],
            "layers": list(self.layers),
            "unseen": list(self.unseen),
        }

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), *self.unseen]) if self.findings else "nothing found"
