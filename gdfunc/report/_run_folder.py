"""A run's folder as it stands: complete, still being written, or cut off."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_FORMAT, _VERSION = "gdfunc run", 1


class Instrument(NamedTuple):
    """What a run measured, and how to draw and read it."""

    name: str
    title: str
    unit: str
    scale: str  # "log" or "linear"
    of: str  # "layer", "run" or "histogram"
    says: str


class RunFolder(NamedTuple):
    """What a run's folder holds.

    Attributes:
        path: the folder.
        config: the rule, the layers in depth order, the instruments.
        env: versions and device.
        findings: what the run was found to suffer from; None where it has not been looked at.
        records: a mapping a recorded step, in the order of the steps.
        unreadable: lines of the metrics that are whole and yet make no sense.
    """

    path: Path
    config: Mapping[str, Any]
    env: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]] | None
    records: Sequence[Mapping[str, Any]]
    unreadable: int

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def steps(self) -> np.ndarray:
        """(steps,) the recorded steps, rising."""
        return np.array([record["step"] for record in self.records], np.int64)

    @property
    def layers(self) -> list[Mapping[str, Any]]:
        """The layers from the input to the output."""
        return list(self.config.get("layers") or ())

    @property
    def instruments(self) -> list[Instrument]:
        """What was measured at least once."""
        found = (self.config.get("instruments") or {}).items()
        made = [
            Instrument(
                name,
                about.get("title") or name.replace("_", " ").capitalize(),
                about.get("unit") or "",
                about.get("scale") or "linear",
                about.get("of") or "run",
                about.get("says") or "",
            )
            for name, about in found
        ]
        return [each for each in made if any(record.get(each.name) is not None for record in self.records)]

    def series(self, name: str) -> np.ma.MaskedArray:
        """(steps,) a number a step; masked where it was not measured."""
        return _numbers([record.get(name) for record in self.records])

    def matrix(self, name: str) -> np.ma.MaskedArray:
        """(steps, layers) a number a step and layer; masked where it was not measured."""
        missing = [None] * len(self.layers)
        rows = [record.get(name) or missing for record in self.records]
        kept = [row if isinstance(row, list) and len(row) == len(missing) else missing for row in rows]
        return _numbers(kept).reshape(len(kept), len(missing))


class RunReader:
    """Reads a run's folder again and again: of the metrics only what has been added since.

    Args:
        path: the folder.

    Raises:
        ValueError: where `path` is no run's folder, or one of another version.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._offset = 0
        self._by_step: dict[int, Mapping[str, Any]] = {}
        self._unreadable = 0

    def read(self) -> RunFolder:
        """The folder as it stands now."""
        config = run_config(self.path)
        self._read_on(self.path / "metrics.jsonl")
        findings = (_json(self.path / "findings.json") or {}).get("findings")
        records = [self._by_step[step] for step in sorted(self._by_step)]
        return RunFolder(self.path, config, _json(self.path / "env.json") or {}, findings, records, self._unreadable)

    def _read_on(self, path: Path) -> None:
        if not path.is_file():
            return
        if path.stat().st_size < self._offset:  # a new run has taken the folder
            self._offset, self._by_step, self._unreadable = 0, {}, 0
        with path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                record = _record(line)
                if record is None and not line.endswith(b"\n"):
                    break  # being written: it is read when it is whole
                self._offset += len(line)
                if record is not None:
                    self._by_step[record["step"]] = record  # a resumed run records some steps again: the later counts
                elif line.strip():
                    self._unreadable += 1


def read_run(path: str | os.PathLike) -> RunFolder:
    """A run's folder as it stands; see `RunReader`."""
    return RunReader(path).read()


def run_config(path: Path) -> Mapping[str, Any]:
    """A run's settings; `ValueError` where the folder holds no run, or one of another version."""
    file = path / "config.json"
    if not file.is_file():
        raise ValueError(f"a run's report needs a run's folder, with a config.json in it, and was given {path}")
    config = _json(file)
    if config is None or config.get("format") != _FORMAT or config.get("version") != _VERSION:
        about = config or {}
        given = f"{about.get('format')!r} of version {about.get('version')!r}" if config else "none that can be read"
        raise ValueError(f"a run's report needs a {_FORMAT!r} of version {_VERSION}, and {file} holds {given}")
    return config


def _json(path: Path) -> dict[str, Any] | None:
    """A file's mapping; None where it is missing or not whole."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _record(line: bytes) -> Mapping[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def _numbers(values: list) -> np.ma.MaskedArray:
    """Numbers, "NaN", "Infinity" and "-Infinity", in any nesting; None and what is no number at all are masked."""
    plain = np.array(values, object)
    missing = np.array([x is None for x in plain.ravel()], bool).reshape(plain.shape)
    try:
        return np.ma.array(np.where(missing, 0.0, plain).astype(np.float64), mask=missing)
    except (TypeError, ValueError):
        made = [_number(x) for x in plain.ravel()]
        lost = np.array([x is None for x in made]).reshape(plain.shape)
        return np.ma.array(np.array([0.0 if x is None else x for x in made]).reshape(plain.shape), mask=lost)


def _number(x: Any) -> float | None:
    try:
        return None if x is None else float(x)
    except (TypeError, ValueError):
        return None
