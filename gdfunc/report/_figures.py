"""Figures: one look for all of them, saved as SVG and PNG, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import need, write_atomically

# Okabe & Ito 2008: told apart by colour-blind readers too; and dashes, for print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
DASHES = ("-", "--", "-.", ":")

STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "svg.hashsalt": "gdfunc",  # the same picture is the same file
}


def style() -> Any:
    """A context in which everything drawn has the project's look: matplotlib reads its settings when a thing is drawn."""
    matplotlib = need("matplotlib")
    return matplotlib.rc_context({**STYLE, "axes.prop_cycle": matplotlib.cycler(color=COLOURS)})


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 5.0, height: float = 3.4, **options: Any
) -> tuple[Any, Any]:
    """A new figure and its axes, (rows, columns) of them or one; draw on them within `style()`.

    Args:
        rows: rows of axes.
        columns: columns of axes.
        width: of one, in inches.
        height: of one, in inches.
        **options: as for `matplotlib.figure.Figure.subplots`.

    Returns:
        (figure, axes).
    """
    with style():
        made = need("matplotlib.figure").Figure(figsize=(width * columns, height * rows), layout="constrained")
        need("matplotlib.backends.backend_agg").FigureCanvasAgg(made)
        return made, made.subplots(rows, columns, **options)


def save(made: Any, path: str | Path) -> tuple[Path, Path]:
    """Writes `path`.svg and `path`.png, each whole or not at all.

    Args:
        made: a matplotlib figure.
        path: without ending; its folder is made.

    Returns:
        (the SVG's path, the PNG's path).
    """
    path = Path(path)
    about = {"Date": None, "Creator": "gdfunc"}  # no time stamp: the same picture is the same file
    svg, png = path.with_name(path.name + ".svg"), path.with_name(path.name + ".png")
    with style():
        write_atomically(svg, lambda file: made.savefig(file, format="svg", metadata=about))
        write_atomically(png, lambda file: made.savefig(file, format="png", dpi=150))
    return svg, png


def training_curves(histories: Mapping[str, Any], title: str = "") -> Any:
    """Loss and gradient norm against the step, one line a run, on logarithmic axes.

    Args:
        histories: name of the run -> its history.
        title: over the left picture.

    Returns:
        The figure.
    """
    made, (left, right) = figure(1, 2)
    with style():
        for i, (name, history) in enumerate(histories.items()):
            look = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}
            left.plot(history.step, positive(history.loss), label=name, **look)
            right.plot(history.step, positive(history.grad_norm), label=name, **look)
        for axes, name in ((left, "loss"), (right, "gradient norm")):
            axes.set(xlabel="step", ylabel=name, yscale="log")
        left.set_title(title)
        if len(histories) > 1:
            right.legend()
    return made


def positive(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The values with a gap where a logarithmic axis has no place for them."""
    x = np.asarray(values, np.float64)
    return np.where(np.isfinite(x) & (x > 0), x, np.nan)
