"""The backward pass as a page and as a picture."""

import html
import re

import jax
import jax.numpy as jnp
import pytest

from gdfunc.gradients import graph, trace
from gdfunc.report import backward_figure, backward_page, save

W = {"layer<1>": jnp.array([[0.1, -0.3], [0.4, 0.2]]), "out": jnp.array([0.5, 0.7])}
X = jnp.array([0.6, 0.2])


@pytest.fixture(scope="module")
def found():
    return trace(lambda p, x: jax.nn.sigmoid(x @ p["layer<1>"]) @ p["out"], W, X)


def test_the_page_holds_every_line_of_the_text(found):
    page = html.unescape(backward_page(found))
    lines = [line.strip() for line in str(found).splitlines() if "  " not in line.strip() and "---" not in line]
    assert len(lines) > 12
    for line in lines:
        assert line in page or line in ("Forward", "Backward", "dL/dL = 1")
    for row in found.table:
        assert f"<td>{row.layer}</td>" in page
        assert row.output in page


def test_the_page_loads_nothing_and_takes_no_name_for_markup(found):
    page = backward_page(found, title="a < b")
    assert "<h1>a &lt; b</h1>" in page
    assert "layer&lt;1&gt;" in page
    assert "layer<1>" not in page
    assert not re.search(r"(src|href)\s*=\s*\"(?!#)", page)
    assert not re.search(r"<script|<link|@import|url\((?!#)", page)
    assert page.count("<svg") == page.count("</svg>") == 1


def words(made):
    return [text.get_text() for text in made.axes[0].texts]


def test_the_picture_shows_every_value_with_the_gradient_by_it(found, tmp_path):
    made = backward_figure(found, "title")
    shown = words(made)
    nodes, _ = graph(found)
    assert {"z1 = x @ layer<1>", "a1 = sigmoid(z1)", "L = a1 @ out", "out", "x"} <= set(shown)
    for node in nodes:
        assert (f"dL/d{node.name}" in " ".join(shown)) == (found.values[node.name].gradient is not None)
    assert "dL/da1 = [0.5, 0.7]" in shown
    assert made.axes[0].get_title(loc="left") == "title"
    svg, png = save(made, tmp_path / "backward")
    assert svg.stat().st_size > 1000
    assert png.stat().st_size > 1000


def test_the_picture_says_what_a_slope_multiplies():
    shown = words(backward_figure(trace(lambda p, x: jnp.sin(3 * p), jnp.array(0.0), None)))
    assert {"× 3", "× 1"} <= set(shown)


def test_arrays_that_no_box_holds_are_summed_up():
    w = jnp.linspace(-1.23456, 1.0, 12).reshape(3, 4)
    shown = words(backward_figure(trace(lambda p, x: jnp.sum((x @ p) ** 2), w, jnp.ones(3))))
    assert any(text.startswith("(3, 4), rms ") for text in shown)
    assert max(map(len, shown)) <= 48


def test_a_constant_loss_has_a_page_but_no_picture():
    constant = trace(lambda p, x: jnp.array(1.0), X, X)
    page = backward_page(constant)
    assert "not reached by the loss" in page
    assert "<svg" not in page
    with pytest.raises(ValueError, match="backward_figure needs a loss that is made of its inputs"):
        backward_figure(constant)
