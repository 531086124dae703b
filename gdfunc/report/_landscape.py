"""The loss around a network as a map, with the path that a run took on it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core import need
from ..instruments import LandscapeLine, LandscapePlane, PrincipalDirections
from ._figures import COLOURS, DASHES, figure, positive, style

BLUE, RED, *_ = COLOURS


def landscape(plane: LandscapePlane, path: PrincipalDirections | None = None, title: str = "") -> Any:
    """The loss on a plane as a map: dark is low. Levels are in equal ratios where the loss spans two decades.

    Args:
        plane: of `instruments.landscape_plane`.
        path: of `instruments.principal_directions`, if that is the plane of `plane`: the run's path is drawn, from a ring
            to a star, and the axes say which share of its variance lies along them.
        title: over the picture.

    Returns:
        The figure.

    Raises:
        ValueError: where no loss of the plane is finite.
    """
    made, axes = figure(width=5.4, height=4.2)
    names = ["first direction", "second direction"]
    with style():
        filled = contours(axes, plane)
        made.colorbar(filled, ax=axes, label="loss", format="%.3g")
        if path is not None:
            names = [
                f"{name}: {share:.1%} of the path's variance"
                for name, share in zip(names, np.asarray(path.shares), strict=True)
            ]
            at = np.asarray(path.path)
            axes.plot(*at.T, color=RED, marker=".", markersize=3, linewidth=1, label="path")
            axes.plot(*at[0], "o", color=RED, markerfacecolor="white", markersize=7, label="start")
            axes.plot(*at[-1], "*", color=RED, markeredgecolor="white", markersize=13, label="end")
            axes.legend(frameon=True, framealpha=0.8)
        axes.set(xlabel=names[0], ylabel=names[1], xlim=ends(plane.x), ylim=ends(plane.y))
        axes.set_title(title)
    return made


def landscape_lines(lines: Mapping[str, LandscapeLine], title: str = "") -> Any:
    """The loss along lines between two networks each; dotted verticals where the two are.

    Args:
        lines: name -> what `instruments.landscape_line` found.
        title: over the picture.

    Returns:
        The figure.
    """
    made, axes = figure()
    logarithmic = many_decades(np.concatenate([np.asarray(line.loss) for line in lines.values()]))
    with style():
        for end in (0, 1):
            axes.axvline(end, color="black", linestyle=":", linewidth=1)
        for i, (name, line) in enumerate(lines.items()):
            look = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}
            axes.plot(line.at, positive(np.asarray(line.loss)) if logarithmic else line.loss, label=name, **look)
        if logarithmic:
            axes.set_yscale("log")
        axes.set(xlabel="place on the line: 0 is one end, 1 the other", ylabel="loss")
        axes.set_title(title)
        if len(lines) > 1:
            axes.legend()
    return made


def contours(axes: Any, plane: LandscapePlane, levels: int = 14, colours: str = "viridis", alpha: float = 0.85) -> Any:
    """Draws the loss as filled contours with lines between, and returns the filled ones."""
    loss = np.ma.masked_invalid(np.asarray(plane.loss, np.float64))
    if not loss.count():
        raise ValueError("landscape needs a loss that is finite somewhere on the plane, and was given none")
    norms, grid = need("matplotlib.colors"), (np.asarray(plane.x), np.asarray(plane.y))
    low, high = float(loss.min()), float(loss.max())
    if many_decades(loss):
        # Six decades below the highest: a minimum of exactly 0, or nearly, would take all levels for itself.
        low = max(float(loss[loss > 0].min()), 1e-6 * high)
        at, norm = np.geomspace(low, high, levels), norms.LogNorm(low, high)
        loss = np.maximum(loss, low)
    else:
        high = high if high > low else low + max(abs(low), 1) * 1e-6
        at, norm = np.linspace(low, high, levels), norms.Normalize(low, high)
    axes.contour(*grid, loss, at, colors="white", linewidths=0.4, linestyles="solid", alpha=0.7)
    axes.grid(False)
    return axes.contourf(*grid, loss, at, cmap=colours, norm=norm, alpha=alpha, zorder=0)


def many_decades(loss: Any) -> bool:
    """Whether the finite losses, all of them at least 0, span two decades or more."""
    x = np.asarray(np.ma.compressed(np.ma.masked_invalid(loss)), np.float64)
    return bool(x.size and x.min() >= 0 and x.max() > 100 * x.min())


def ends(x: Any) -> tuple[float, float]:
    """The least and the largest."""
    return float(np.min(x)), float(np.max(x))
