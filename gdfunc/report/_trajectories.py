"""Many rules on one surface of two variables: where each goes, still and moving."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import need, write_atomically
from ..data import Problem
from ..instruments import LandscapePlane
from ..training import train
from ._figures import COLOURS, figure, style
from ._landscape import contours

Box = tuple[tuple[float, float], tuple[float, float]]


def trajectories(
    problem: Problem | Callable[[Array], Array],
    rules: Mapping[str, Any],
    start: Sequence[float] | Array | np.ndarray | None = None,
    steps: int = 100,
    *,
    minima: Sequence[Sequence[float]] = (),
    box: Box | None = None,
    title: str = "",
    gif: str | os.PathLike | None = None,
    frames: int = 40,
) -> Any:
    """The paths that update rules take over a function of two variables, one compiled loop for each kind of rule.

    Crosses mark minima, a ring the start, a dot where a path ends; one that leaves the picture ends at its edge.

        rules = {"gradient descent": SGD(0.0012), "Adam": Adam(0.05)}
        made = trajectories(gd.data.rosenbrock(), rules, steps=300, gif="valley.gif")
        save(made, "valley")

    Args:
        problem: of two variables, `data.quadratic(2)` or `data.rosenbrock()`; or any function (2,) -> ().
        rules: name -> an update rule, or any object with Optax's `init` and `update`.
        start: (2,), where all begin; the problem's own if not given.
        steps: the updates that each makes, 1 or more; a path ends early where a step is not finite.
        minima: places to mark; a problem's own is known.
        box: ((left, right), (bottom, top)); if not given, what holds the start, the minima and the paths, of these no
            more than twice as far from the start as the minima are.
        title: over the picture.
        gif: a file for the moving picture.
        frames: of the moving picture, 2 to 100.

    Returns:
        The figure with the whole paths, for `save`.

    Raises:
        ValueError: where there is no rule or start, the start is not two numbers, or `frames` leaves its range.
    """
    f = problem.f if isinstance(problem, Problem) else problem
    if isinstance(problem, Problem):
        start, minima = problem.start if start is None else start, [*minima, problem.minimiser.tolist()]
    if start is None or np.shape(start) != (2,):
        raise ValueError(f"trajectories needs a start, two numbers, and was given {start!r}")
    if not rules:
        raise ValueError("trajectories needs at least one rule, and was given none")
    if not 2 <= frames <= 100:
        raise ValueError(f"trajectories needs 2 <= frames <= 100, and was given {frames}")
    loss_fn = lambda p, _: f(p)  # noqa: E731
    paths = {name: descend(loss_fn, start, rule, steps) for name, rule in rules.items()}
    marks = np.asarray(minima, np.float64).reshape(-1, 2)
    made, axes = figure(width=5.4, height=4.4)
    with style():
        box = box or box_of(list(paths.values()), marks)
        filled = contours(axes, surface(f, box), colours="Greys_r", alpha=0.6)  # coloured paths stand out from grey
        made.colorbar(filled, ax=axes, label="f", format="%.3g")
        axes.plot(*marks.T, "x", color="black", markersize=8, markeredgewidth=2, label="minimum", zorder=5)
        lines = [_line(axes, i, name, path) for i, (name, path) in enumerate(paths.items())]
        axes.plot(*np.asarray(start), "o", color="black", markerfacecolor="white", markersize=7, zorder=5)
        axes.set(xlabel="first variable", ylabel="second variable", xlim=box[0], ylim=box[1])
        axes.set_title(title)
        made.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        if gif is not None:
            _animate(
                made, axes, lines, list(paths.values()), Path(gif), np.linspace(0, steps, frames).astype(int), title
            )
    return made


def descend(loss_fn: Callable, start: Any, rule: Any, steps: int) -> np.ndarray:
    """Where a rule stood before each step and after the last, (steps + 1, 2) or fewer."""
    run = train(loss_fn, jnp.asarray(start, float), None, rule, steps=steps, chunk=steps, measure=lambda p, *_: p)
    return np.concatenate([run.history.measured["value"], np.asarray(run.params)[None]])


def box_of(paths: list[np.ndarray], minima: np.ndarray) -> Box:
    """What holds the start, the minima, and the paths as far as they stay near."""
    start, points = paths[0][0], np.concatenate(paths)
    if len(minima):
        reach = 2 * np.max(np.linalg.norm(minima - start, axis=1))
        points = np.concatenate([minima, points[np.linalg.norm(points - start, axis=1) <= reach]])
    low, high = points.min(axis=0), points.max(axis=0)
    # A path along one axis still needs a picture that is no sliver.
    room = 0.15 * (high - low) + np.maximum(0, 0.5 * np.max(high - low) - (high - low)) / 2 + 1e-6
    (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
    return (left, right), (bottom, top)


def surface(f: Callable[[Array], Array], box: Box, points: int = 121) -> LandscapePlane:
    """The function's values in a box."""
    x, y = (np.linspace(*ends, points) for ends in box)
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return LandscapePlane(x, y, jax.vmap(f)(jnp.asarray(at, float)).reshape(points, points))  # pyright: ignore[reportArgumentType]


def _line(axes: Any, i: int, name: str, path: np.ndarray) -> tuple[Any, Any]:
    look = {"color": COLOURS[i % len(COLOURS)]}
    # Thinner from one to the next: where two go the same way, both are seen.
    (line,) = axes.plot(*path.T, label=name, linewidth=max(1.2, 4 - 1.2 * i), zorder=3 + 0.01 * i, **look)
    (end,) = axes.plot(*path[-1], "o", markeredgecolor="white", markersize=max(6, 10 - i), zorder=4 + 0.01 * i, **look)
    return line, end


def _animate(
    made: Any, axes: Any, lines: list, paths: list[np.ndarray], gif: Path, shown: np.ndarray, title: str
) -> None:
    """Writes the moving picture, whole or not at all, and leaves the figure as it was."""
    made.draw_without_rendering()
    made.set_layout_engine("none")  # the axes must not move between frames
    writer = need("matplotlib.animation").PillowWriter(fps=10)
    with tempfile.TemporaryDirectory() as folder:
        with writer.saving(made, str(Path(folder) / "moving.gif"), dpi=80):
            for step in [*shown, *[shown[-1]] * 8]:  # the last frame stays for a moment
                for (line, end), path in zip(lines, paths, strict=True):
                    line.set_data(*path[: step + 1].T)
                    end.set_data(*path[: step + 1][-1:].T)
                axes.set_title(f"{title}{', ' if title else ''}step {step}")
                writer.grab_frame()
        content = (Path(folder) / "moving.gif").read_bytes()
    write_atomically(gif, lambda file: file.write(content))
    axes.set_title(title)
