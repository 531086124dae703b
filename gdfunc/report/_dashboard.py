"""A run in the terminal while it goes on: its findings, its loss, and the latest numbers of every layer."""

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import need
from ._run_findings import grouped, said, story
from ._run_folder import Instrument, RunFolder, RunReader
from ._tables import show, table, text

_BARS = "▁▂▃▄▅▆▇█"
_WIDE = 10
_COLUMN = 12  # characters that a number and its heading's longest word take
_CALM = math.log(2)


def watch(
    run: str | os.PathLike, *, every: float = 1.0, once: bool = False, judge: Callable[[Path], Any] | None = None
) -> None:
    """Shows a run as its folder grows, until it is interrupted.

    Args:
        run: a run's folder.
        every: seconds between two looks, > 0.
        once: show it as it stands and return; so it is where stdout is no terminal.
        judge: folder -> the findings of what is recorded by now; None for those that are written there.

    Raises:
        ValueError: where the folder holds no run, or one of another version, or `every` is not positive.
        MissingExtra: where rich is not installed.
    """
    if not every > 0:
        raise ValueError(f"watch needs every > 0 seconds, and was given every={every!r}")
    reader = RunReader(run)

    def read() -> RunFolder:
        seen = reader.read()
        return seen if judge is None else seen._replace(findings=judge(Path(run)))

    seen = read()
    console = need("rich.console").Console(highlight=False)
    if once or not console.is_terminal:
        show(*dashboard(seen, width=console.width))
        return
    draw = lambda: need("rich.console").Group(*dashboard(read(), console.height, console.width))  # noqa: E731
    with need("rich.live").Live(draw(), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(every)
                live.update(draw(), refresh=True)
        except KeyboardInterrupt:
            return


def dashboard(run: RunFolder, height: int | None = None, width: int | None = None) -> list[Any]:
    """A run as it stands, as rich renderables.

    Args:
        run: the run.
        height: lines that there is room for; with fewer lines than layers, evenly spaced layers are shown, with the first,
            the last and those with a finding. All layers if not given.
        width: columns that there is room for: as many instruments as fit into it. All if not given.
    """
    names = [layer["name"] for layer in run.layers]
    stories = [story(finding, names) for finding in run.findings or ()]
    head = [_progress(run), *_findings(run, stories), *_losses(run)]
    taken = len(text(*head).splitlines()) + 7  # the table's title, head and foot
    most = len(names) if height is None else max(4, height - taken)
    rows = _shown(len(names), {each.index for each in stories if each.index is not None}, most)
    return [*head, _layers(run, rows, {each.index for each in stories}, width)]


def sparkline(values: Sequence[float | None] | np.ndarray, width: int = 60) -> str:
    """Numbers as a line of bars, the last of each stretch: log-scaled where all are positive, × where not finite."""
    plain = [None if x is None or x is np.ma.masked else float(x) for x in values]
    kept = [plain[math.ceil((i + 1) * len(plain) / min(width, len(plain))) - 1] for i in range(min(width, len(plain)))]
    finite = [x for x in kept if x is not None and math.isfinite(x)]
    scale = math.log if finite and min(finite) > 0 else float
    low, high = (scale(f(finite)) for f in (min, max)) if finite else (0.0, 1.0)
    if scale is math.log and high - low < _CALM:  # noise must not look like a trend
        low, high = (low + high - _CALM) / 2, (low + high + _CALM) / 2

    def bar(x: float | None) -> str:
        if x is None:
            return " "
        if not math.isfinite(x):
            return "×"
        return _BARS[round((len(_BARS) - 1) * (scale(x) - low) / (high - low))] if high > low else _BARS[0]

    return "".join(map(bar, kept))


def _progress(run: RunFolder) -> Any:
    planned = run.config.get("steps")
    step = run.records[-1]["step"] if run.records else 0
    of = f" of {planned}" if planned else ""
    return need("rich.text").Text(f"{run.name}   {run.config.get('rule') or ''}   step {step}{of}", style="bold")


def _findings(run: RunFolder, stories: list) -> list[Any]:
    from_text = need("rich.text").Text
    if not stories:
        return [from_text("no findings written" if run.findings is None else "no findings", style="dim")]
    lines = []
    for (_, each), *more in grouped(stories):
        limit = f" (alarm at {each.threshold})" if each.threshold else ""
        others = f" and in {len(more)} more" if more else ""
        lines.append(from_text(f"! {' '.join(filter(None, (each.title, each.where)))}{others}", style="bold red"))
        if each.statement or each.value:
            lines.append(from_text(f"  {each.statement or f'{each.value} {each.unit}'}{limit}"))
        for remedy in each.remedies:
            if remedy.verdict == "helps":
                lines.append(
                    from_text(f"  ✓ {remedy.name}: {remedy.before} → {remedy.after} {each.unit}", style="green")
                )
    return lines


def _losses(run: RunFolder) -> list[Any]:
    values = run.series("loss") if run.records else np.ma.array([])
    known = values.compressed()
    if not len(known):
        return [need("rich.text").Text("no step recorded yet", style="dim")]
    return [need("rich.text").Text(f"loss {said(known[0])} {sparkline(values)} {said(known[-1])}")]


def _shown(layers: int, wanted: set[int], most: int) -> list[int]:
    if layers <= most:
        return list(range(layers))
    spread = np.linspace(0, layers - 1, max(2, most - len(wanted))).round().astype(int)
    return sorted({*spread.tolist(), *wanted})


def _layers(run: RunFolder, rows: list[int], flagged: set[int | None], width: int | None) -> Any:
    """A row a layer: its name, a bar of the gradient that reaches it, and every latest number."""
    instruments = [each for each in run.instruments if each.of == "layer"]
    latest = {each.name: _latest(run, each.name) for each in instruments}
    barred = _barred([each for each in instruments if each.scale == "log"])
    bars = _profile(latest[barred.name]) if barred else [""] * len(run.layers)
    names = [("! " if i in flagged else "") + layer["name"] for i, layer in enumerate(run.layers)]
    wide = max(map(len, names), default=0)
    room = len(instruments) if width is None else max(1, (width - wide - _WIDE - 8) // _COLUMN)
    left_out = ", ".join(each.title for each in instruments[room:])
    instruments = instruments[:room]
    cells = [(f"{names[i]:{wide}} {bars[i]}", *(said(latest[each.name][i]) for each in instruments)) for i in rows]
    shown = "" if len(rows) == len(run.layers) else f"{len(rows)} of {len(run.layers)} layers. "
    shown += f"No room for: {left_out}. " if left_out else ""
    bar = f"Bars: {barred.title}, logarithmic." if barred else ""
    columns = ("layer", *(each.title for each in instruments))
    return table("Layers, from the input to the output", columns, cells, shown + bar)


def _barred(instruments: list[Instrument]) -> Instrument | None:
    """The instrument of the gradient that goes through the layers, or else the first."""
    words = ("output_gradient", "cotangent", "gradient", "")
    return next((each for word in words for each in instruments if word in each.name), None)


def _latest(run: RunFolder, name: str) -> list[float | None]:
    """The last measurement: a number a layer."""
    missing = [None] * len(run.layers)
    record = next((record for record in reversed(run.records) if record.get(name) is not None), {})
    one = run._replace(records=[record]) if record else None
    values = one.matrix(name)[0] if one else np.ma.masked_all(len(missing))
    return [None if x is np.ma.masked else float(x) for x in values]


def _profile(values: Sequence[float | None]) -> list[str]:
    """A bar a layer, as long as the number's logarithm is large."""
    logs = [math.log10(x) if x is not None and math.isfinite(x) and x > 0 else None for x in values]
    known = [x for x in logs if x is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    span = max(high - low, 2.0)  # two decades at least: noise must not look like a trend
    bars = []
    for x, number in zip(logs, values, strict=True):
        bad = number is not None and not math.isfinite(number)
        bars.append("×" if bad else "" if x is None else "█" * round(1 + (_WIDE - 1) * (1 - (high - x) / span)))
    return bars
