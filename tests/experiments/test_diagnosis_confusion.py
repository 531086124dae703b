"""`experiments/diagnosis_confusion.py` holds, and finds out a diagnosis that does not look at depth."""

import importlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from gdfunc.report import run_experiment

NAME = "diagnosis_confusion"


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments")
    experiment = importlib.import_module(NAME)

    def run(*flags):
        code = run_experiment(experiment.main, ["--quick", "--out", str(tmp_path), *flags])
        record = json.loads((tmp_path / f"{NAME}.json").read_text())
        return code, record, [claim["what"] for claim in record["claims"] if not claim["holds"]]

    with experiment.equal_programs_compiled_once():  # by the first of two runs
        yield run


def test_faults_are_found_healthy_networks_are_left_alone_and_without_depth_that_fails(run, tmp_path):
    code, record, failed = run()
    assert failed == []
    assert code == 0
    reported = record["data"]
    assert reported["half"] == "reported"
    assert (reported["false alarms"]["of"], reported["misses"]["of"]) == (13, 12)
    assert reported["matrix"]["nothing"] == {"nothing": 13}
    assert all(kind in found for kind, found in reported["matrix"].items())
    assert record["pictures"] == [f"{NAME}.svg", f"{NAME}.png"]
    assert ET.parse(tmp_path / f"{NAME}.svg").getroot().tag.endswith("svg")

    code, record, failed = run("--mutate")
    assert code == 1
    assert len(failed) == 1
    assert failed[0].startswith("misses: 2 of 12")
    assert {wrong.split(",")[0] for wrong in record["data"]["wrong"]} == {"vanishing", "exploding"}
