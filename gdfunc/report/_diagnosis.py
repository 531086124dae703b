"""A diagnosis in the terminal: the layers as a table, and the findings with their remedies."""

from collections.abc import Sequence
from typing import Any

from ..core import need
from ..diagnosis import Diagnosis, Finding
from ._numbers import number
from ._tables import table

_COLUMNS = {
    "output_rms": "output rms",
    "gradient_norm": "|dL/dz|",
    "zeros": "zeros",
    "dead": "dead units",
    "saturated": "saturated",
    "rank": "rank",
}


def diagnosis(found: Diagnosis) -> Any:
    """A rich renderable: a row a layer, then each finding once, with the layers that have it."""
    from_text = need("rich.text").Text
    parts = []
    if found.layers:
        rows = [
            [row["name"], row["activation"], *("" if row[c] is None else number(row[c], 3) for c in _COLUMNS)]
            for row in found.layers
        ]
        parts.append(table("Layers, in the order of the run", ("layer", "activation", *_COLUMNS.values()), rows))
    if not found.findings:
        parts.append(from_text("nothing found", style="bold green"))
    for same in _grouped(found.findings):
        first = same[0]
        parts.append(from_text(f"\n{first.kind.replace('_', ' ')}", style="bold red"))
        for finding in same[:5]:
            parts.append(from_text(f"  {finding.layer + ': ' if finding.layer else ''}{finding.statement}"))
        if len(same) > 5:
            parts.append(from_text(f"  and in {len(same) - 5} more layers"))
        parts.append(from_text(f"  threshold {first.threshold:g} {first.unit}: {first.source}", style="dim"))
        if first.training:
            parts.append(from_text(f"    {first.training}"))
        for remedy in first.remedies:
            parts.append(from_text(f"  {'+' if remedy.helps else ' '} {remedy}", style="green" if remedy.helps else ""))
    parts += [from_text(sentence, style="dim") for sentence in found.unseen]
    return need("rich.console").Group(*parts)


def _grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    return list(kinds.values())
