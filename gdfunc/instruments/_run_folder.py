"""A run's folder: what it is, what was measured at each recorded step, readable while it is being written."""

import json
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..core import write_atomically
from ._histogram import EDGES_LOG2
from ._instruments import Instrument
from ._layers import layer_indices, layer_name
from ._readings import lacking, layer_names
from ._trace import Traced

_LIBRARIES = ("gdfunc", "jax", "jaxlib", "numpy", "optax", "flax", "equinox", "dm-haiku")


class RunFolder:
    """config.json, env.json, metrics.jsonl (a line a record, flushed at once), and at the end history.npz.

    Args:
        path: the folder, new or empty.
        log: an object with a log(dict) method (a run of W&B, MLflow or trackio), which is given each record too.
    """

    def __init__(self, path: Path, log: Any = None):
        if log is not None and not callable(getattr(log, "log", None)):
            raise ValueError(f"log needs an object with a log(dict) method, and was given {log!r}")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ValueError(f"{path} exists and is not empty: a run needs a folder of its own")
        self.path, self._log = path, log
        self._rows: list[dict[str, Any]] = []
        self._lacking: dict[str, list[bool]] = {}
        self._histograms: set[str] = set()
        self._config: dict[str, Any] = {}
        self._names: list[str] = []
        self._began = time.monotonic()

    def start(self, traced: Traced, instruments: dict[str, Instrument], every: int, **about: Any) -> None:
        """Writes what the run is.

        Args:
            traced: the loss, whose layers are listed.
            instruments: the measures, by name.
            every: how often a record is made.
            **about: anything else that JSON holds.
        """
        self._lacking = lacking(traced, [name for name, each in instruments.items() if each.of == "layer"])
        self._histograms = {name for name, each in instruments.items() if each.of == "histogram"}
        self._names = layer_names(traced)
        self.path.mkdir(parents=True, exist_ok=True)
        layers = [
            {
                "name": layer_name(site, index),
                "kind": site.kind,
                "activation": site.activations[-1].name if site.activations else "",
                "weights": list(site.weights),
                "bias": list(site.bias),
                "output_shape": list(site.block.avals[site.output].shape),
            }
            for site in traced.sites
            for index in layer_indices(site)
        ]
        about = {"rule": None, "steps": None, **about}
        measures = {name: each._asdict() for name, each in instruments.items()}
        config = {
            "format": "gdfunc run",
            "version": 1,
            "every": every,
            **about,
            "layers": layers,
            "instruments": measures,
        }
        self._config = config
        self._write("config.json", config)
        self._write("env.json", environment())

    def add(self, step: int, record: dict[str, np.ndarray]) -> None:
        """Adds a line: the loss, and what was due of the instruments."""
        if not self._rows:
            record = {name: x for name, x in record.items() if name != "gradient_cosine"}  # there is none before it
        row = {"step": step, "seconds": round(time.monotonic() - self._began, 3), **record}
        self._rows.append(row)
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({name: self._plain(name, x) for name, x in row.items()}, allow_nan=False) + "\n")

        if self._log is not None:
            self._log.log({"step": step, **self._flat(record)})

    def _flat(self, record: dict[str, np.ndarray]) -> dict[str, float]:
        """`gradient_norm/first/weight`: a number each, for a tracker."""
        found = {}
        for name, x in record.items():
            if name in self._histograms:
                continue
            if name not in self._lacking:
                found[name] = float(x)
                continue
            for layer, value, lacks in zip(self._names, x, self._lacking[name], strict=True):
                if not lacks:
                    found[f"{name}/{layer}"] = float(value)
        return found

    def _plain(self, name: str, x: Any) -> Any:
        numbers = plain(x)
        if name in self._histograms:
            return {"edges_log2": EDGES_LOG2, "counts": numbers}
        if name in self._lacking:
            return [None if lacks else n for lacks, n in zip(self._lacking[name], numbers, strict=True)]
        return numbers

    def findings(self, found: dict[str, Any]) -> None:
        """Writes a diagnosis."""
        self._write("findings.json", found)

    def close(self, outcome: dict[str, Any] | None = None) -> None:
        """Writes all records as arrays: history.npz, name -> (records, ...); and what the run came to.

        Args:
            outcome: {"code", "step", "message", "remedy"}, as of `training.Outcome`; None where it is not known.
        """
        if outcome is not None and self._config:
            self._write("config.json", {**self._config, "outcome": outcome})
        if self._rows:
            names = dict.fromkeys(name for row in self._rows for name in row)
            arrays: Any = {name: stacked([row.get(name) for row in self._rows]) for name in names}
            write_atomically(self.path / "history.npz", lambda file: np.savez_compressed(file, **arrays))

    def _write(self, name: str, content: dict[str, Any]) -> None:
        write_atomically(self.path / name, lambda file: file.write(json.dumps(content, indent=1).encode()))


def environment() -> dict[str, str]:
    """The versions and the device that a run was made with."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    device = jax.devices()[0]
    return {**found, "platform": device.platform, "device": device.device_kind, "devices": str(jax.device_count())}


def stacked(readings: list[Any]) -> np.ndarray:
    """(records, ...): NaN where a reading was not due; of counts, 0."""
    one = next(np.asarray(x) for x in readings if x is not None)
    blank = np.full(one.shape, np.nan if one.dtype.kind == "f" else 0, one.dtype)
    return np.stack([blank if x is None else np.asarray(x) for x in readings])


def plain(x: Any) -> Any:
    """Numbers as JSON has them; it has no NaN and no infinity, which become words."""
    x = np.asarray(x)
    if x.ndim == 0:
        value = x.item()
        if isinstance(value, float):
            if np.isfinite(value):
                return float(f"{value:.6g}")
            return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return value
    return [plain(each) for each in x]
