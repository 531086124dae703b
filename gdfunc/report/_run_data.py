"""What a run's page draws, as plain data: the shown steps, and numbers packed into text."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._run_change import aligned
from ._run_findings import Story
from ._run_folder import Instrument, RunFolder
from ._run_pack import packed, packed_shares

# What a page of 2 MB holds: 100 layers, 1,000 steps and 8 instruments at about 1.7 characters a number.
_NUMBERS = 800_000
_BINS = 100_000
_MOST_STEPS = 4_000

Matrices = Mapping[str, np.ma.MaskedArray]  # (steps, layers) an instrument


def shown_rows(run: RunFolder, matrices: Matrices, wanted: Sequence[int] = (), runs: int = 1) -> np.ndarray:
    """Which records a page shows: all, or as many as `runs` of them leave room for.

    Args:
        run: the run.
        matrices: its numbers a layer.
        wanted: steps to show in any case, as the first one at which a number is not finite is.
        runs: how many runs are on the page.

    Returns:
        (m,) rising indices of the records.
    """
    steps = run.steps
    most = max(2, min(_MOST_STEPS, _NUMBERS // max(1, len(matrices) * len(run.layers) * runs)))
    if len(steps) <= most:
        return np.arange(len(steps))
    chosen = set(np.linspace(0, len(steps) - 1, most).round().astype(int))
    chosen |= {int(np.abs(steps - step).argmin()) for step in wanted}
    for values in (run.series("loss"), *matrices.values()):
        bad = (~np.isfinite(np.ma.getdata(values))).reshape(len(steps), -1).any(axis=1)
        chosen |= {int(bad.argmax())} if bad.any() else set()
    return np.array(sorted(chosen))


def page_data(
    here: RunFolder, matrices: Matrices, there: RunFolder | None, rows: np.ndarray, stories: Sequence[Story]
) -> dict[str, Any]:
    """What the page's script reads: the shown rows of every measurement, and another run's on the same grid."""
    facts = ("name", "kind", "activation", "parameters", "output_shape")
    histograms = (histogram(here, each) for each in here.instruments if each.of == "histogram")
    return {
        "name": here.name,
        "steps": here.steps[rows].tolist(),
        "layers": [{fact: layer.get(fact) for fact in facts} for layer in here.layers],
        "instruments": [each._asdict() for each in here.instruments if each.of in ("layer", "run")],
        "series": _series(here, rows),
        "matrices": {name: _matrix(values[rows]) for name, values in matrices.items()},
        "histograms": [made for made in histograms if made],
        "findings": [{"kind": each.kind, "layer": each.index, "step": each.step} for each in stories],
        "other": None if there is None else _other(here, there, rows, matrices),
    }


def _other(here: RunFolder, there: RunFolder, rows: np.ndarray, matrices: Matrices) -> dict[str, Any]:
    shown = shown_rows(there, {})
    found = {name: aligned(here, there, name, rows) for name in matrices}
    return {
        "name": there.name,
        "steps": there.steps[shown].tolist(),
        "series": _series(there, shown),
        "matrices": {name: _matrix(values) for name, values in found.items() if values is not None},
    }


def _series(run: RunFolder, rows: np.ndarray) -> dict[str, list]:
    names = ["loss", *(each.name for each in run.instruments if each.of == "run")]
    return {name: _plain(run.series(name)[rows]) for name in names}


def _plain(x: np.ma.MaskedArray) -> list:
    """Numbers for JSON, to five digits: None where masked, JavaScript's word where not finite."""
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    known = zip(np.ma.getdata(x).tolist(), np.ma.getmaskarray(x).tolist(), strict=True)
    return [None if masked else float(f"{v:.5g}") if np.isfinite(v) else words[str(v)] for v, masked in known]


def _matrix(values: np.ma.MaskedArray) -> dict[str, Any]:
    """The rows at which something was measured, and which of the page's steps they are."""
    rows = np.flatnonzero(~np.ma.getmaskarray(values).all(axis=1))
    return {"rows": rows.tolist(), **packed(values[rows])}


def histogram(run: RunFolder, about: Instrument) -> dict[str, Any] | None:
    """An instrument's histograms as shares of each layer's count, (steps, layers, bins); empty outer bins are left out.

    Args:
        run: the run.
        about: an instrument whose measurements are {"edges_log2": [...], "counts": [[...] a layer]}.

    Returns:
        None where no step has counts for every layer.
    """
    given = [(record["step"], record[about.name]) for record in run.records if about.name in record]
    found = [(step, counts) for step, x in given if (counts := _counts(x, len(run.layers))) is not None]
    if not found:
        return None
    found = [(step, counts) for step, counts in found if counts.shape == found[-1][1].shape]
    kept = np.unique(np.linspace(0, len(found) - 1, min(len(found), max(2, _BINS // found[0][1].size))).round())
    found = [found[int(i)] for i in kept]
    stacked = np.stack([counts for _, counts in found])
    used = _used(np.asarray(stacked.any(axis=(0, 1))))
    totals = stacked.sum(axis=-1, keepdims=True)
    shares = np.divide(stacked, totals, where=totals > 0, out=np.zeros(stacked.shape))[..., used]
    edges = next((x["edges_log2"] for _, x in given if isinstance(x, Mapping) and x.get("edges_log2")), None)
    names = [bin_names(edges, stacked.shape[-1])[i] for i in used]
    return {
        **about._asdict(),
        "steps": [step for step, _ in found],
        "bins": [name for _, name in names],
        "marks": [mark for mark, _ in names],
        "shares": packed_shares(shares),
    }


def _counts(given: Any, layers: int) -> np.ndarray | None:
    """(layers, bins) counts, zero for a layer that has none; None where they are not of that form."""
    rows = given.get("counts") if isinstance(given, Mapping) else None
    if not isinstance(rows, list) or len(rows) != layers:
        return None
    first = next((row for row in rows if row), None)
    try:
        empty = np.zeros_like(np.array(first, np.float64)).tolist()
        counts = np.array([row or empty for row in rows], np.float64)
    except (TypeError, ValueError):
        return None
    counts = counts.sum(axis=1) if counts.ndim == 3 else counts  # negative and positive entries apart
    return counts if counts.ndim == 2 and counts.size and np.isfinite(counts).all() else None


_RAISED = str.maketrans("-0123456789.e+", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹·ᵉ⁺")


def _used(filled: np.ndarray) -> list[int]:
    """The bins from the first to the last filled one; of the outermost two, often zeros and overflow, only filled ones."""
    inner = 1 + np.flatnonzero(filled[1:-1])
    ends = [i for i in (0, len(filled) - 1) if filled[i]]
    return sorted({*ends, *(range(inner[0], inner[-1] + 1) if len(inner) else ())}) or [0]


def bin_names(edges: Sequence[Any] | None, count: int) -> list[tuple[str, str]]:
    """(where it begins, its name) a bin: `count` + 1 edges bound the bins, `count` begin them, `count` - 1 lie between them.

    256 bins without edges are those of `instruments.exponent_histogram`.
    """
    if edges is None and count == 256:
        inner = bin_names(range(-126, 129), 254)
        return [("0", "zero"), *inner, ("∞", "not finite")]
    if edges is None or not count - 1 <= len(edges) <= count + 1:
        return [(str(i), f"bin {i}") for i in range(count)]
    said = [
        "∞" if edge == np.inf else "0" if edge == -np.inf else "2" + f"{edge:g}".translate(_RAISED)
        for edge in map(float, edges)
    ]
    between = [(low, f"{low} to {high}") for low, high in itertools.pairwise(said)]
    if len(edges) == count + 1:
        return between
    last = (said[-1], f"from {said[-1]}")
    return [*between, last] if len(edges) == count else [("", f"below {said[0]}"), *between, last]
