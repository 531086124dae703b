"""`experiments/gradient_descent_basics.py` holds, and finds out a loss without its 1/2."""

import importlib
import json
from pathlib import Path

import pytest

from gdfunc.report import run_experiment

NAME = "gradient_descent_basics"


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments")
    main = importlib.import_module(NAME).main

    def run(*flags):
        code = run_experiment(main, ["--quick", "--out", str(tmp_path), *flags])
        return code, json.loads((tmp_path / f"{NAME}.json").read_text())

    return run


def test_every_claim_holds_and_is_drawn(run, tmp_path):
    code, record = run()
    assert [claim["what"] for claim in record["claims"] if not claim["holds"]] == []
    assert code == 0
    assert len(record["claims"]) == 33
    assert record["pictures"] == [f"{NAME}.svg", f"{NAME}.png"]
    assert (tmp_path / f"{NAME}.svg").read_text().startswith("<?xml")
    assert (tmp_path / f"{NAME}.png").read_bytes().startswith(b"\x89PNG")


def test_a_square_without_its_half_breaks_every_claim_that_knows_the_curvature(run):
    code, record = run("--mutate")
    failed = {claim["what"].split(",")[0] for claim in record["claims"] if not claim["holds"]}
    assert code == 1
    assert failed == {
        "quadratic",
        "one by one",
        "a neuron from (0.6",
        "a neuron from (2",
    }
