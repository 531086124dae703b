"""`experiments/vanishing_gradients.py` holds, and finds out a He initialisation without its 2."""

import importlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from gdfunc.report import run_experiment

NAME = "vanishing_gradients"


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
    assert len(record["claims"]) == 18
    assert record["pictures"] == [f"{NAME}.svg", f"{NAME}.png"]
    assert ET.parse(tmp_path / f"{NAME}.svg").getroot().tag.endswith("svg")
    assert (tmp_path / f"{NAME}.png").read_bytes().startswith(b"\x89PNG")


def test_without_the_2_what_is_claimed_of_he_fails_and_nothing_else(run):
    code, _, failed = run("--mutate")
    assert code == 1
    assert failed == [
        "relu, He: signal, factor a layer",
        "relu, He: gradient, factor a layer",
        "relu, He: factor of the typical network",
        "Xavier / He after 30 layers, log2 of the std",
        "30 layers, He: the median seed's last loss",
    ]
