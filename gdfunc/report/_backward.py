"""The backward pass as a page and as a drawn graph."""

import io
from typing import Any

from ..core import need
from ..gradients import Node, Trace, graph, in_numbers
from ..gradients._local import quotient
from ..gradients._text import COLUMNS, backward_lines, cells, forward_lines, seed
from ._figures import COLOURS, figure, style

_MOST = 100  # values in the graph of a page
_LONGEST = 48  # characters in a box
_KINDS = {"parameter": (COLOURS[0], "parameters"), "batch": (COLOURS[7], "data"), "step": (COLOURS[6], "steps")}
_BACK = COLOURS[1]  # gradients
_HALF = 0.33  # of a box's height, in rows
_WIDTH, _HEIGHT = 3.2, 1.05  # of a box and the space around it, in inches

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem; border-bottom: 1px solid #ddd }
td, li, .step { font-family: ui-monospace, monospace; font-size: 13px; white-space: pre }
.step { border-left: 3px solid {{ colour }}; margin: .7rem 0; padding-left: .8rem } .step b { color: {{ colour }} }
svg { max-width: 100%; height: auto }
</style></head><body>
<h1>{{ title }}</h1>
<p>{{ trace.loss_name }} = {{ loss }}</p>
<h2>Layers</h2>
<div class="wide"><table><thead><tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<h2>Forward</h2>
<div class="wide"><ol>
{% for lines in forward %}<li>{{ lines | join("\n") }}</li>
{% endfor %}</ol></div>
<h2>Backward</h2>
<p>From {{ seed }} back to the parameters: the gradient that comes in, times the step's own derivative, is the gradient
that goes out; where a value is used more than once, the parts are summed.</p>
<div class="wide">
{% for lines in backward %}<div class="step"><b>{{ lines[0] }}</b>
{{ lines[1:] | join("\n") }}</div>
{% endfor %}</div>
{% if picture %}<h2>Graph</h2>
<p>Values and, in colour, the gradients by them; beside an arrow the step's own derivative, where it is one number.</p>
<div class="wide">{{ picture | safe }}</div>{% endif %}
</body></html>
"""


def backward_page(trace: Trace, title: str = "Forward and backward pass") -> str:
    """One self-contained HTML page: the table, both passes step by step, the graph.

    Args:
        trace: what `gradients.trace` found.
        title: the page's.

    Returns:
        HTML that loads nothing from elsewhere. A graph of more than 100 values is left out: nobody could read it.
    """
    page = need("jinja2").Environment(autoescape=True).from_string(_PAGE)
    return page.render(
        title=title,
        colour=_BACK,
        trace=trace,
        loss=in_numbers(trace.loss),
        columns=COLUMNS,
        rows=[cells(row, trace.loss_name) for row in trace.table],
        forward=[forward_lines(step) for step in trace.forward],
        seed=seed(trace),
        backward=[backward_lines(step, trace.loss_name) for step in trace.backward],
        picture=_svg(backward_figure(trace)) if 0 < len(graph(trace)[0]) <= _MOST else "",
    )


def backward_figure(trace: Trace, title: str = "") -> Any:
    """The program as a graph, from the inputs down to the loss: every value, and in colour the loss's gradient by it.

    Args:
        trace: what `gradients.trace` found.
        title: above the picture.

    Returns:
        A matplotlib figure.

    Raises:
        ValueError: where the loss is a constant, and there is nothing to draw.
    """
    nodes, edges = graph(trace)
    if not nodes:
        raise ValueError("backward_figure needs a loss that is made of its inputs, and was given a constant one")
    left, right = min(node.x for node in nodes), max(node.x for node in nodes)
    rows = 1 + max(node.row for node in nodes)
    made, axes = figure(width=_WIDTH * (right - left + 1), height=_HEIGHT * (rows + 0.5))
    with style():
        axes.set_axis_off()
        axes.set(xlim=(left - 0.5, right + 0.5), ylim=(rows - 0.4, -0.8), title=title)
        for edge in edges:
            _arrow(axes, edge)
        for node in nodes:
            _box(axes, node, trace)
        kinds = {trace.values[node.name].kind for node in nodes}
        for kind, (colour, word) in _KINDS.items():
            if kind in kinds:
                axes.plot([], [], "s", color=colour, markerfacecolor="white", label=word)
        axes.plot([], [], "s", color=_BACK, label=f"gradients of {trace.loss_name}")
        axes.legend(loc="upper left", ncols=4, borderaxespad=0)
    return made


def _box(axes: Any, node: Node, trace: Trace) -> None:
    value = trace.values[node.name]
    colour = _KINDS.get(value.kind, _KINDS["batch"])[0]
    patch = need("matplotlib.patches").FancyBboxPatch(
        (node.x - 0.45, node.row - _HALF), 0.9, 2 * _HALF, boxstyle="round,pad=0,rounding_size=0.04",
        facecolor="white", edgecolor=colour, linewidth=1.2, zorder=2,
    )  # fmt: skip
    axes.add_patch(patch)
    lines = [(_cut(f"{node.name} = {node.operation}" if node.operation else node.name), colour, "bold")]
    lines.append((_short(value.value), COLOURS[6], "normal"))
    if value.gradient is not None:
        name = quotient(trace.loss_name, node.name)
        lines.append((_cut(f"{name} = {_short(value.gradient, _LONGEST - len(name) - 3)}"), _BACK, "normal"))
    for i, (words, ink, weight) in enumerate(lines):
        y = node.row + 0.21 * (i - (len(lines) - 1) / 2)
        axes.text(node.x, y, words, color=ink, weight=weight, ha="center", va="center", fontsize=7.5, zorder=3,
                  parse_math=False)  # fmt: skip


def _arrow(axes: Any, edge: Any) -> None:
    (x0, y0), *passed, (x, y) = edge.points
    before = passed[-1][0] if passed else x0
    # Aside from the middle on the side that it comes from, so that arrows from several values are told apart.
    end = (x + 0.3 * max(-1.0, min(1.0, before - x)), y - _HALF)
    points = [(x0, y0 + _HALF), *((lane, row + side) for lane, row in passed for side in (-_HALF, _HALF))]
    xs, ys = zip(*points, strict=True)
    axes.plot(xs, ys, color="#777777", linewidth=0.9, zorder=1)
    axes.annotate(
        "", end, (xs[-1], ys[-1]), arrowprops={"arrowstyle": "->", "color": "#777777", "shrinkA": 0, "shrinkB": 0}
    )
    if edge.slope:
        x, y = (xs[-1] + end[0]) / 2 + 0.03, (ys[-1] + end[1]) / 2
        axes.text(x, y, f"× {edge.slope}", color=_BACK, fontsize=6.5, ha="left", va="center",
                  bbox={"color": "white", "pad": 0.8})  # fmt: skip


def _short(value: Any, room: int = _LONGEST) -> str:
    entries = (in_numbers(value, digits) for digits in (3, 2))
    return next((text for text in entries if len(text) <= room), in_numbers(value, 3, most=1))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _svg(made: Any) -> str:
    file = io.StringIO()
    with style():
        made.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]
