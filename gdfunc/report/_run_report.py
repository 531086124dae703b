"""A run as one page: findings first, then depth against step, profiles, curves, histograms and the table of layers."""

import json
import os
from pathlib import Path

import numpy as np

from ..core import need
from ._run_change import changes
from ._run_data import Matrices, page_data, shown_rows
from ._run_findings import grouped, said, story
from ._run_folder import RunFolder, read_run

_PAGE = Path(__file__).parent / "_page"
_SCRIPTS = (
    "numbers.js", "axes.js", "heat.js", "curves.js", "page.js", "map.js", "charts.js", "histograms.js", "pointer.js",
    "controls.js",
)  # fmt: skip


def run_report(run: str | os.PathLike, *, against: str | os.PathLike | None = None) -> str:
    """A run as one self-contained page of HTML: it opens without a network and in any browser.

    Where the run has more steps than a page of 2 MB holds, evenly spaced ones are shown, with those of the findings and
    the first at which a number is not finite; the page says so.

    Args:
        run: a run's folder, complete or still being written.
        against: another run's folder; the page then shows what changed from it.

    Returns:
        The page.

    Raises:
        ValueError: where a folder holds no run, or one of another version.
        MissingExtra: where jinja2 is not installed.
    """
    here = read_run(run)
    there = None if against is None else read_run(against)
    layered = [each for each in here.instruments if each.of == "layer"]
    matrices = {each.name: here.matrix(each.name) for each in layered}
    stories = [story(finding, [layer["name"] for layer in here.layers]) for finding in here.findings or ()]
    wanted = [each.step for each in stories if each.step is not None]
    rows = shown_rows(here, matrices, wanted, runs=1 if there is None else 2)
    data = page_data(here, matrices, there, rows, stories)
    jinja2 = need("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = said
    return environment.get_template("page.html.j2").render(
        run=here,
        there=there,
        groups=grouped(stories),
        losses=[said(x) for x in here.series("loss").compressed()],
        flagged={each.index for each in stories},
        changes=[] if there is None else changes(here, there),
        layered=layered,
        histograms=data["histograms"],
        last=_last(here, matrices),
        shown=len(rows),
        parameters=sum(layer.get("parameters") or 0 for layer in here.layers),
        style=(_PAGE / "style.css").read_text("utf-8"),
        script="\n".join((_PAGE / name).read_text("utf-8") for name in _SCRIPTS),
        # "<" would let a layer's name end the script.
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _last(run: RunFolder, matrices: Matrices) -> list[list[str]]:
    """(layers, instruments) the last number that was measured, as text."""
    return [[_last_of(values[:, i]) for values in matrices.values()] for i in range(len(run.layers))]


def _last_of(values: np.ma.MaskedArray) -> str:
    known = values.compressed()
    return said(known[-1]) if len(known) else ""
