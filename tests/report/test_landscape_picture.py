"""Pictures of the loss around a network."""

import numpy as np
import pytest

from gdfunc.instruments import LandscapeLine, LandscapePlane, PrincipalDirections
from gdfunc.report import landscape, landscape_lines, save

X, Y = np.linspace(-1, 3, 9), np.linspace(-1, 2, 7)
BOWL = X[None, :] ** 2 + Y[:, None] ** 2
PATH = PrincipalDirections(None, None, np.array([0.75, 0.2]), np.array([[2.0, 1.0], [1.0, -0.5], [0.0, 0.0]]))


def levels(made):
    return np.asarray(made.axes[0].collections[0].levels)


def test_the_path_lies_on_the_map_and_the_axes_tell_its_shares(tmp_path):
    made = landscape(LandscapePlane(X, Y, BOWL), PATH, "a bowl")
    axes, bar = made.axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), PATH.path)
    assert axes.get_xlabel() == "first direction: 75.0% of the path's variance"
    assert axes.get_ylabel() == "second direction: 20.0% of the path's variance"
    assert (axes.get_xlim(), axes.get_ylim()) == ((-1, 3), (-1, 2))
    assert bar.get_ylabel() == "loss"
    assert save(made, tmp_path / "map")[1].read_bytes().startswith(b"\x89PNG")


def test_levels_are_in_equal_ratios_where_the_loss_spans_decades_and_in_equal_steps_elsewhere():
    seen = levels(landscape(LandscapePlane(X, Y, BOWL)))
    np.testing.assert_allclose(seen[1:] / seen[:-1], seen[1] / seen[0], rtol=1e-9)
    for losses in (BOWL + 1, BOWL - 1, np.ones_like(BOWL)):
        steps = np.diff(levels(landscape(LandscapePlane(X, Y, losses))))
        np.testing.assert_allclose(steps, steps[0], rtol=1e-6)


def test_a_loss_that_is_nowhere_finite_is_refused_and_one_with_gaps_is_drawn(tmp_path):
    with pytest.raises(ValueError, match="landscape needs a loss that is finite"):
        landscape(LandscapePlane(X, Y, np.full_like(BOWL, np.nan)))
    save(landscape(LandscapePlane(X, Y, np.where(BOWL > 9, np.inf, BOWL))), tmp_path / "gaps")


@pytest.mark.parametrize(("losses", "scale"), [([100.0, 1.0, 0.1], "log"), ([3.0, 2.0, 1.0], "linear")])
def test_lines_are_logarithmic_where_they_span_decades(losses, scale):
    line = LandscapeLine(np.array([0.0, 0.5, 1.0]), np.array(losses))
    axes = landscape_lines({"one": line, "two": line}).axes[0]
    assert axes.get_yscale() == scale
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]
    np.testing.assert_array_equal(axes.lines[-1].get_ydata(), losses)
