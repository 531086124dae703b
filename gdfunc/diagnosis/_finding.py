"""What a diagnosis says: findings with their evidence, and remedies with what they did when they were tried."""

import math
from dataclasses import dataclass, field
from typing import Any

KINDS = (
    "nonfinite",
    "unreached_parameters",
    "unused_data",
    "loss_mismatch",
    "poorly_scaled_input",
    "symmetric_init",
    "dead_units",
    "saturation",
    "vanishing",
    "exploding",
    "rank_collapse",
    "shattered_gradients",
    "rate_too_high",
    "rate_too_low",
)


Losses = tuple[float, float]  # before a short training, and after it


def _plain(x: float | None) -> float | None:
    """None for what JSON has no number for."""
    return None if x is None or not math.isfinite(x) else float(x)


def _trained(losses: Losses | None) -> dict[str, Any]:
    """An entry for JSON, where a short training was made."""
    return {} if losses is None else {"losses": [_plain(x) for x in losses]}


@dataclass(frozen=True)
class Remedy:
    """A change that may help, and the evidence's number before it and after it was tried.

    Attributes:
        name: what to change, in words or as our line of code.
        before: the number that the finding speaks of, as it was.
        after: the same number under the remedy; None where it could not be tried here, or does not change it.
        helps: whether the finding is gone; of clipping, whether the loss falls where it did not, or farther.
        losses: the loss before a short training under the remedy and after it; None where none was made.
    """

    name: str
    before: float
    after: float | None = None
    helps: bool = False
    losses: Losses | None = None

    @property
    def tried(self) -> bool:
        """Whether it was: on the number, or in a short training."""
        return self.after is not None or self.losses is not None

    def __str__(self) -> str:
        if not self.tried:
            return f"{self.name} (not tried)"
        what = [] if self.after is None else [f"{self.before:.3g} -> {self.after:.3g}"]
        what += [] if self.losses is None else [_said(self.losses)]
        return f"{self.name}: {'; '.join(what)}{'' if self.helps else ', not enough'}"


def _said(losses: Losses) -> str:
    """The losses before and after a short training, in words: `trained, loss 2.31 -> 0.52`."""
    return f"trained, loss {losses[0]:.3g} -> {losses[1]:.3g}"


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
        losses: the loss before a short training of the network as it is and after it; None where none was made.
    """

    kind: str
    layer: str
    statement: str
    value: float
    threshold: float
    unit: str
    source: str
    remedies: tuple[Remedy, ...] = ()
    losses: Losses | None = None

    @property
    def training(self) -> str:
        """What the short training of the network as it is came to, in words; "" where none was made."""
        return "" if self.losses is None else f"as it is: {_said(self.losses)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and words, for JSON."""
        return {
            "kind": self.kind,
            "layer": self.layer,
            "evidence": {"statement": self.statement, "value": _plain(self.value), "unit": self.unit},
            "threshold": self.threshold,
            "source": self.source,
            **_trained(self.losses),
            "remedies": [
                {
                    "name": r.name,
                    "before": _plain(r.before),
                    "after": _plain(r.after),
                    "tried": r.tried,
                    "helps": r.helps,
                    **_trained(r.losses),
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
        lines += [f"  {self.training}"] if self.training else []
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
