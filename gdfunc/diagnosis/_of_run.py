"""Findings from what a run recorded of itself: the same rules, at every recorded step."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..core import write_atomically
from ..instruments import GLOBAL_NORM
from ._evidence import Evidence, Row
from ._finding import Finding
from ._rates import FALL, HIGH, LOW, SOURCE
from ._rules import dead_units, exploding, saturation, vanishing

PERSISTS = 3  # records in a row: one alone may be noise


def of_run(folder: str | Path) -> list[dict[str, Any]]:
    """The findings of a run's folder, from its records alone; written there as findings.json.

    A finding is made where the same rule finds the same layer in three records in a row, or in all where there are fewer; it
    stands with the first of these steps. A number that is not finite is one at once. Remedies are not tried: that needs the
    network (`diagnose`).

    Args:
        folder: as `instruments.watch` or `train` wrote it, whole or still growing.

    Returns:
        Findings as plain dictionaries, with their `step`.

    Raises:
        ValueError: where the folder has no config.json of a run.
    """
    findings = judge_run(folder)
    content = json.dumps({"made_from": "records", "findings": findings, "layers": []}, indent=1)
    write_atomically(Path(folder) / "findings.json", lambda file: file.write(content.encode()))
    return findings


def judge_run(folder: str | Path) -> list[dict[str, Any]]:
    """What `of_run` finds; nothing is written."""
    folder = Path(folder)
    if not (folder / "config.json").exists():
        raise ValueError(f"a run's folder has a config.json, and {folder} has none")
    config = json.loads((folder / "config.json").read_bytes())
    records = list(_records(folder / "metrics.jsonl"))
    weights = float(np.median([norm for record in records if np.isfinite(norm := _total(record))] or [np.nan]))
    streaks: dict[tuple[str, str], list[dict[str, Any]]] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        judged = _examine(config.get("layers", []), record, weights)
        now = {(each.kind, each.layer): {**each.as_dict(), "step": record["step"]} for each in judged}
        streaks = {key: [*streaks.get(key, ()), each] for key, each in now.items()}
        for key, streak in streaks.items():
            needed = 1 if key[0] == "nonfinite" else min(PERSISTS, len(records))
            if key not in found and len(streak) >= needed:
                found[key] = streak[0]
    kinds = {kind for kind, _ in found}
    outcome = config.get("outcome") or {}
    findings = list(found.values())
    if outcome.get("code") == "non_finite" and "nonfinite" not in kinds:  # at a step of which there is no record
        findings.append({**_nonfinite("", outcome["message"]).as_dict(), "step": outcome["step"]})
    if not findings:
        findings = [{**each.as_dict(), "step": records[0]["step"]} for each in _too_low(records, weights)]
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


def _nonfinite(layer: str, words: str) -> Finding:
    source = "a loss and its gradient have to be finite; instruments.find_nonfinite names the operation"
    return Finding("nonfinite", layer, words, 0.0, 0.0, "loss", source)


def _column(record: dict[str, Any], name: str, count: int) -> np.ndarray:
    return np.array([_number(x) for x in record.get(name, [None] * count)])


def _total(record: dict[str, Any], *of: str) -> float:
    """The norm over all layers of their weights, or of what is given as a share of them."""
    w = _column(record, "weight_norm", 0)
    for name in of:
        w = w * _column(record, name, len(w))
    known = w[np.isfinite(w)]
    return float(np.sqrt(np.sum(known**2))) if known.size else np.nan


def _examine(layers: list[dict[str, Any]], record: dict[str, Any], weights: float) -> list[Finding]:
    """The findings of one record, in a run whose weights' norm was `weights` in the middle."""
    names = ("output_rms", "output_gradient", "zeros", "dead_units", "saturated")
    columns = [_column(record, name, len(layers)) for name in names]
    for name in ("loss", GLOBAL_NORM):
        if not np.isfinite(_number(record.get(name, 0.0))):
            words = f"the {name.replace('_', ' ')} is {record[name]} at step {record['step']}"
            return [_nonfinite(_first_not_finite(layers, record), words)]
    rows = [
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
        for i, (layer, rms, gradient, zeros, dead, saturated) in enumerate(zip(layers, *columns, strict=True))
        if layer.get("kind") != "tag"
    ]
    judged = (dead_units, saturation, vanishing, exploding)
    found = [each for rule in judged for each in rule(Evidence(np.nan, rows, (), [], ()))]
    ratio = _ratio(record, weights)
    if ratio > HIGH and not found:
        words = f"the update is {ratio:.3g} of the weights"
        found.append(Finding("rate_too_high", "", words, ratio, HIGH, "of the weights", SOURCE))
    return found


def _first_not_finite(layers: list[dict[str, Any]], record: dict[str, Any]) -> str:
    """The first layer on the way forward that gives such numbers, or else the first on the way back; "" for none."""
    names = [layer["name"] for layer in layers]
    for column, order in (("output_rms", 1), ("output_gradient", -1), ("gradient_norm", -1)):
        numbers = record.get(column) or []
        bad = [name for name, x in zip(names, numbers, strict=False) if x is not None and not np.isfinite(_number(x))]
        if bad:
            return bad[::order][0]
    return ""


def _ratio(record: dict[str, Any], weights: float) -> float:
    """The update over all weights, which where they start at 0 have no size of their own: at least over the run's."""
    size = max(_total(record), weights)
    return _total(record, "update_ratio") / size if size > 0 else np.nan


def _too_low(records: list[dict[str, Any]], weights: float) -> Iterator[Finding]:
    """Over the whole run: a rate may rise at first, and fall at last."""
    known = [ratio for record in records if np.isfinite(ratio := _ratio(record, weights))]
    losses = [_number(record.get("loss")) for record in records]
    if len(known) < PERSISTS or not losses[0] - losses[-1] < FALL * abs(losses[0]):
        return
    if (ratio := float(np.max(known))) < LOW:
        words = f"the largest update is {ratio:.3g} of the weights, and the loss does not fall"
        yield Finding("rate_too_low", "", words, ratio, LOW, "of the weights", SOURCE)
