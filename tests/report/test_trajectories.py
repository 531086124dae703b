"""The paths of rules over a surface of two variables, still and moving."""

import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.report import trajectories
from gdfunc.rules import SGD


def saddle(p):
    """Minima at (0, 1) and (0, -1), a saddle between them."""
    return p[0] ** 2 / 2 - p[1] ** 2 / 2 + p[1] ** 4 / 4


def path(made, name):
    (line,) = (line for line in made.axes[0].lines if line.get_label() == name)
    return line.get_xydata()


def test_gradient_descent_from_a_saddles_ridge_never_leaves_it_and_beside_it_does(tmp_path):
    rules = {"slow": SGD(0.1), "fast": SGD(0.5)}
    on = trajectories(saddle, rules, (1.5, 0.0), 40, minima=[(0, 1), (0, -1)], gif=tmp_path / "on.gif", frames=4)
    for name, rate in (("slow", 0.1), ("fast", 0.5)):
        wanted = 1.5 * (1 - rate) ** np.arange(41)
        np.testing.assert_allclose(path(on, name)[:, 0], wanted, rtol=1e-5)  # 40 steps in float32
        assert not path(on, name)[:, 1].any()
    beside = trajectories(saddle, {"fast": SGD(0.5)}, (1.5, 1e-3), 40)
    np.testing.assert_allclose(path(beside, "fast")[-1], [0, 1], atol=1e-4)

    moving = (tmp_path / "on.gif").read_bytes()
    assert moving.startswith(b"GIF89a")
    assert len(moving) < 2_000_000
    assert [each.name for each in tmp_path.iterdir()] == ["on.gif"]
    image = pytest.importorskip("PIL.Image")
    with image.open(tmp_path / "on.gif") as opened:
        assert 4 <= opened.n_frames <= 12  # equal ones at the end may be one
    assert on.axes[0].get_title() == ""


def test_a_problem_brings_its_start_and_minimum_and_a_rule_that_diverges_does_not_spoil_the_picture():
    problem = gd.data.quadratic(2, 10)
    made = trajectories(problem, {"good": SGD(1.0), "diverges": SGD(1e9)}, steps=30)
    axes = made.axes[0]
    np.testing.assert_allclose(path(made, "good")[0], problem.start, rtol=1e-6)
    assert len(path(made, "good")) == 31
    assert len(path(made, "diverges")) < 31
    np.testing.assert_allclose(path(made, "minimum"), [problem.minimiser])
    reach = 4 * np.linalg.norm(problem.minimiser - problem.start)
    assert np.ptp(axes.get_xlim()) < 1.5 * reach
    assert axes.get_xlim()[0] < problem.minimiser[0] < axes.get_xlim()[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rules": {}, "start": (1.0, 1.0)}, "at least one rule"),
        ({"rules": {"sgd": SGD(0.1)}}, "needs a start, two numbers, and was given None"),
        ({"rules": {"sgd": SGD(0.1)}, "start": jnp.ones(3)}, "needs a start, two numbers"),
        ({"rules": {"sgd": SGD(0.1)}, "start": (1.0, 1.0), "frames": 1}, "needs 2 <= frames <= 100"),
    ],
)
def test_what_is_wrong_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        trajectories(saddle, **given)
