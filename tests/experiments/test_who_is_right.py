"""`experiments/who_is_right.py` holds, and finds out a paper's formula that comes one step late."""

import importlib
import json
from pathlib import Path

import pytest

from gdfunc.report import run_experiment

NAME = "who_is_right"


@pytest.fixture
def experiment(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments")
    return importlib.import_module(NAME)


@pytest.fixture
def run(experiment, tmp_path):
    def run(*flags):
        code = run_experiment(experiment.main, ["--quick", "--out", str(tmp_path), *flags])
        return code, json.loads((tmp_path / f"{NAME}.json").read_text())

    return run


def test_ours_follows_the_paper_where_the_others_leave_it_and_all_is_drawn(run, tmp_path):
    code, record = run()
    assert [claim["what"] for claim in record["claims"] if not claim["holds"]] == []
    assert code == 0
    assert record["pictures"] == [f"{NAME}.svg", f"{NAME}.png"]
    assert (tmp_path / f"{NAME}.png").read_bytes().startswith(b"\x89PNG")


def test_a_paper_one_step_late_makes_ours_fail(run):
    code, record = run("--mutate")
    assert code == 1
    assert {claim["what"].partition(": ")[2] for claim in record["claims"] if not claim["holds"]} >= {
        "gdfunc from the paper, eps of float64"
    }


def test_the_rules_whose_formula_others_changed_are_among_the_cases(experiment):
    shown = {record.name for record, *_ in experiment.cases()}
    assert {"rprop", "adan", "momo", "radam", "schedule_free"} <= shown
