"""Findings from what a run recorded of itself: the same rules, at every recorded step."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..core import write_atomically
from ._evidence import Evidence, Row
from ._finding import Finding
from ._rates import HIGH, LOW, SOURCE
from ._rules import dead_units, exploding, saturation, vanishing

PERSISTS = 3  # records in a row: one alone may be noise


def of_run(folder: str | Path) -> list[dict[str, Any]]:
    """The findings of a run's folder, from its records alone; written there as findings.json.

    A finding is made where the same rule finds the same layer in three records in a row, or in all where there are fewer; it
    stands with the first of these steps. Remedies are not tried: that needs the network (`diagnose`).

    Args:
        folder: as `instruments.watch` or `train` wrote it, whole or still growing.

    Returns:
        Findings as plain dictionaries, with their `step`.

    Raises:
        ValueError: where the folder has no config.json of a run.
    """
    folder = Path(folder)
    if not (folder / "config.json").exists():
        raise ValueError(f"a run's folder has a config.json, and {folder} has none")
    layers = json.loads((folder / "config.json").read_bytes()).get("layers", [])
    records = list(_records(folder / "metrics.jsonl"))
    streaks: dict[tuple[str, str], list[dict[str, Any]]] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        now = {(each.kind, each.layer): {**each.as_dict(), "step": record["step"]} for each in _examine(layers, record)}
        streaks = {key: [*streaks.get(key, ()), each] for key, each in now.items()}
        for key, streak in streaks.items():
            if key not in found and len(streak) >= min(PERSISTS, len(records)):
                found[key] = streak[0]
    findings = list(found.values())
    content = json.dumps({"made_from": "records", "findings": findings, "layers": []}, indent=1)
    write_atomically(folder / "findings.json", lambda file: file.write(content.encode()))
    return findings


def _records(path: Path) -> Any:
    """The lines of a file that may end in the middle of one."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _number(x: Any) -> float:
    return np.nan if x is None else float(x)


def _examine(layers: list[dict[str, Any]], record: dict[str, Any]) -> list[Finding]:
    """The findings of one record."""
    if not np.isfinite(_number(record.get("loss", 0.0))):
        words = f"the loss is {record['loss']} at step {record['step']}"
        source = "a loss has to be finite; instruments.find_nonfinite names the operation"
        return [Finding("nonfinite", "", words, 0.0, 0.0, "loss", source)]
    blank = [None] * len(layers)
    column = lambda name: [_number(x) for x in record.get(name, blank)]  # noqa: E731
    columns = [column(n) for n in ("output_rms", "output_gradient", "zeros", "dead_units", "saturated", "update_ratio")]
    rows, ratios = [], columns[-1]
    for i, (layer, rms, gradient, zeros, dead, saturated) in enumerate(zip(layers, *columns[:-1], strict=True)):
        if layer.get("kind") == "tag":
            continue
        rows.append(
            Row(
                name=layer["name"],
                activation=layer.get("activation", ""),
                feeds=i < len(layers) - 1,
                output_rms=rms,
                gradient_norm=gradient,
                turns=(),
                zeros=zeros,
                dead=dead,
                saturated=saturated,
                distinct=np.nan,
                rank=np.nan,
                reached=gradient > 0,
            )
        )
    found = [
        each
        for rule in (dead_units, saturation, vanishing, exploding)
        for each in rule(Evidence(np.nan, rows, (), [], ()))
    ]
    known = [x for x in ratios if np.isfinite(x)]
    if known and not found:
        largest = max(known)
        words = f"the largest update is {largest:.3g} of its weights"
        if largest > HIGH:
            found.append(Finding("rate_too_high", "", words, largest, HIGH, "of the weights", SOURCE))
        elif largest < LOW and record["step"] <= 100:  # later a rate may have been meant to fall
            found.append(Finding("rate_too_low", "", words, largest, LOW, "of the weights", SOURCE))
    return found
