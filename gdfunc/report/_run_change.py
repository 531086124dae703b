"""What changed between two runs: settings, layers, findings, and the second run's numbers on the first one's grid."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ._run_folder import RunFolder


class Change(NamedTuple):
    """A setting that differs; empty where a run does not have it."""

    what: str
    here: str
    there: str


def changes(here: RunFolder, there: RunFolder) -> list[Change]:
    """The settings, versions, layers and findings in which two runs differ; layers that differ alike are one line."""
    ours, theirs = dict(_facts(here)), dict(_facts(there))
    where: dict[Change, list[str]] = {}
    for what, layer in dict.fromkeys([*ours, *theirs]):
        change = Change(what, ours.get((what, layer), ""), theirs.get((what, layer), ""))
        if change.here != change.there:
            where.setdefault(change, []).append(layer)
    return [change._replace(what=_of_layers(change.what, layers)) for change, layers in where.items()]


def _of_layers(what: str, layers: list[str]) -> str:
    if layers == [""]:
        return what
    return (
        f"{what} of {layers[0]}" if len(layers) == 1 else f"{what} of {len(layers)} layers, {layers[0]} to {layers[-1]}"
    )


def aligned(here: RunFolder, there: RunFolder, name: str, rows: np.ndarray) -> np.ma.MaskedArray | None:
    """Another run's numbers at this run's steps and layers.

    Args:
        here: the run whose grid counts.
        there: the other run.
        name: an instrument with a number a layer.
        rows: (m,) which of this run's records to fill.

    Returns:
        (m, layers): each step's from the nearest step that the other run measured, and masked where that is further than
        either run's usual distance between steps, or where the other run has no layer of that name. None where the other
        run does not have the instrument.
    """
    values = there.matrix(name)
    measured = np.flatnonzero(~np.ma.getmaskarray(values).all(axis=1))
    if not len(measured):
        return None
    values, theirs, steps = values[measured], there.steps[measured], here.steps[rows]
    nearest = np.abs(theirs[None, :] - steps[:, None]).argmin(axis=1)
    reach = max(_spacing(theirs), _spacing(here.steps))
    near = np.abs(theirs[nearest] - steps) <= reach
    columns = {layer["name"]: i for i, layer in enumerate(there.layers)}
    found = np.ma.masked_all((len(rows), len(here.layers)))
    for i, layer in enumerate(here.layers):
        if layer["name"] in columns:
            found[near, i] = values[nearest[near], columns[layer["name"]]]
    return found


def _spacing(steps: np.ndarray) -> float:
    return float(np.median(np.diff(steps))) if len(steps) > 1 else 0.0


def _facts(run: RunFolder) -> Iterator[tuple[tuple[str, str], str]]:
    """Every setting as ((what, layer or ""), text)."""
    apart = ("layers", "instruments", "format", "version")
    for name, x in _flat({name: x for name, x in run.config.items() if name not in apart}):
        yield (name, ""), x
    for layer in run.layers:
        yield ("presence", layer["name"]), "present"
        for name, x in _flat({name: x for name, x in layer.items() if name != "name"}):
            yield (name.replace("_", " "), layer["name"]), x
    for finding in run.findings or ():
        yield (f"finding: {finding.get('kind')}", str(finding.get("layer") or "")), "found"
    for name, x in _flat(run.env):
        yield (name, ""), x


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, x in tree.items():
        if isinstance(x, Mapping):
            yield from _flat(x, f"{prefix}{name}.")
        elif x is not None:
            yield f"{prefix}{name}", _text(x)


def _text(x: Any) -> str:
    return " x ".join(map(str, x)) if isinstance(x, list) and all(isinstance(n, int) for n in x) else str(x)
