"""Tables, pictures and the frame of experiments."""

import json
import math
import sys

import numpy as np
import pytest

import gdfunc as gd
from gdfunc.report import Claim, figure, run_experiment, save, table, text, training_curves


def test_an_explanation_shows_the_formulas_quantities_with_the_twins_beside_them():
    shown = str(gd.explain(gd.rules.Adam(0.1), [1.0, -2.0]))
    lines = [line.split() for line in shown.splitlines()]
    assert ["m", "0.1", "-0.11"] in lines
    assert ["optax.adam", "mu", "0.1", "-0.11"] in lines
    order = [line[0] for line in lines if line and line[0] in ("m", "v", "m_hat", "v_hat", "update")]
    assert order == ["m", "v", "m_hat", "v_hat", "update"]


def test_an_explanation_is_an_html_table_in_a_notebook_with_its_text_escaped():
    page = gd.explain(gd.rules.SGD(0.1), [[1.0, 2.0]])._repr_html_()
    assert page.count("<tr>") == 1 + 3  # the head; g, the update, Optax's
    assert "<td>update</td>" in page
    assert "&amp;" in gd.explain(gd.rules.Adam(0.1), [1.0])._repr_html_()  # the formula's ampersands


def test_a_rule_without_a_twin_says_why():
    assert "decay=&#39;rate&#39;" in gd.explain(gd.rules.AdamW(0.1), [1.0])._repr_html_()
    assert "decay='rate'" in str(gd.explain(gd.rules.AdamW(0.1), [1.0]))


@pytest.mark.parametrize("bad", [[], [[1.0], [1.0, 2.0]], "abc"])
def test_explain_says_what_gradients_it_needs(bad):
    with pytest.raises(ValueError, match="explain needs gradients"):
        gd.explain(gd.rules.Adam(0.1), bad)


def test_explain_refuses_a_combination():
    with pytest.raises(ValueError, match="one formula"):
        gd.explain(gd.chain(gd.rules.Adam(0.1)), [1.0])


def test_a_table_takes_nothing_in_its_cells_for_markup():
    assert "[red]x[/red]" in text(table("t", ("a",), [("[red]x[/red]",)]))


def test_figures_are_the_same_files_for_the_same_picture(tmp_path):
    def draw(name):
        made, axes = figure()
        axes.plot([1, 2, 3])
        return save(made, tmp_path / name)

    (svg, png), (again, _) = draw("one"), draw("two")
    assert svg.read_bytes() == again.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "one.svg", "two.png", "two.svg"]


def test_training_curves_survive_a_loss_that_no_logarithm_takes(tmp_path):
    class History:
        step, loss, grad_norm = np.arange(3), np.array([1.0, 0.0, np.nan]), np.array([1.0, np.inf, 1.0])

    save(training_curves({"a": History, "b": History}), tmp_path / "curves")


@pytest.mark.parametrize(
    ("kind", "predicted", "measured", "tolerance", "holds"),
    [
        ("relative", 2.0, 2.019, 0.01, True),
        ("relative", 2.0, 2.03, 0.01, False),
        ("relative", -2.0, -2.019, 0.01, True),
        ("absolute", 0.0, 0.1, 0.1, True),
        ("absolute", 0.0, 0.2, 0.1, False),
        ("at_most", 1.0, 1.0, 0.0, True),
        ("at_most", 1.0, 1.1, 0.0, False),
        ("at_least", 1.0, 0.9, 0.0, False),
        ("relative", 1.0, math.nan, 1.0, False),
        ("absolute", math.nan, math.nan, 1.0, False),
        ("at_most", 1.0, math.nan, 0.0, False),
        ("relative", math.inf, math.inf, 0.1, False),
    ],
)  # fmt: skip
def test_a_claim_holds_within_its_tolerance_and_never_for_nan(kind, predicted, measured, tolerance, holds):
    assert Claim("c", predicted, measured, tolerance, kind, "").holds is holds


def study(lab):
    """A study."""
    lab.claim("one is one", predicted=1, measured=2 if lab.mutate else 1, tolerance=0.1)
    lab.keep(curve=np.array([1.0, np.inf]), quick=lab.quick)
    lab.figure(figure()[0])


def test_an_experiment_prints_its_verdict_and_keeps_a_record(tmp_path, capsys):
    assert run_experiment(study, ["--out", str(tmp_path), "--quick"]) == 0
    out = capsys.readouterr().out
    assert "1 of 1 claims hold" in out
    name = sys.modules[study.__module__].__name__.rpartition(".")[2]
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["claims"][0]["holds"] is True
    assert record["data"] == {"curve": [1.0, "inf"], "quick": True}
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".svg", ".png"}


def test_a_broken_experiment_exits_1(tmp_path, capsys):
    assert run_experiment(study, ["--out", str(tmp_path), "--mutate", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["claims"][0]["holds"] is False


def test_an_experiment_without_claims_does_not_pass(tmp_path):
    def empty(lab):
        """Nothing."""

    empty.__module__ = study.__module__
    assert run_experiment(empty, ["--out", str(tmp_path)]) == 1
