"""`experiments/exploding_gradients.py` holds, and finds out a largest singular value in the place of the spectral radius."""

import importlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from gdfunc.report import run_experiment

NAME = "exploding_gradients"


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments")
    main = importlib.import_module(NAME).main

    def run(*flags):
        code = run_experiment(main, ["--quick", "--out", str(tmp_path), *flags])
        record = json.loads((tmp_path / f"{NAME}.json").read_text())
        return code, record, [claim["what"] for claim in record["claims"] if not claim["holds"]]

    return run


def test_every_claim_holds_and_is_drawn(run, tmp_path):
    code, record, failed = run()
    assert failed == []
    assert code == 0
    assert len(record["claims"]) == 17
    assert record["pictures"] == [f"{NAME}.svg", f"{NAME}.png"]
    assert ET.parse(tmp_path / f"{NAME}.svg").getroot().tag.endswith("svg")
    assert (tmp_path / f"{NAME}.png").read_bytes().startswith(b"\x89PNG")


def test_with_the_largest_singular_value_every_predicted_growth_fails_and_nothing_else(run):
    code, _, failed = run("--mutate")
    assert code == 1
    assert failed == [f"linear, gain {gain}: growth a step" for gain in (0.8, 0.9, 1.0, 1.1)]
