"""`experiments/own_rules_vs_optax.py` holds, and finds out an Adam without its bias correction."""

import importlib
import json
from pathlib import Path

import pytest

import gdfunc as gd
from gdfunc.report import run_experiment

NAME = "own_rules_vs_optax"


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments")
    main = importlib.import_module(NAME).main

    def run(*flags):
        code = run_experiment(main, ["--quick", "--out", str(tmp_path), *flags])
        return code, json.loads((tmp_path / f"{NAME}.json").read_text())

    return run


def test_every_claim_holds_of_every_rule_and_is_drawn(run, tmp_path):
    code, record = run()
    assert [claim["what"] for claim in record["claims"] if not claim["holds"]] == []
    assert code == 0
    textbook = set(importlib.import_module(NAME).RULES)
    assert len(textbook) == 14
    assert textbook <= set(gd.rules.records())
    assert {claim["what"].partition(":")[0] for claim in record["claims"]} == textbook
    assert set(record["data"]["rules"]) == textbook
    assert record["pictures"] == [f"{NAME}.svg", f"{NAME}.png"]
    assert (tmp_path / f"{NAME}.svg").read_text().startswith("<?xml")
    assert (tmp_path / f"{NAME}.png").read_bytes().startswith(b"\x89PNG")


def test_adam_without_its_bias_correction_fails_on_the_stream_in_training_and_at_the_first_update(run):
    code, record = run("--mutate")
    assert code == 1
    assert [claim["what"] for claim in record["claims"] if not claim["holds"]] == [
        "adam: parity, in rounding errors",
        "adam: losses apart, in units of its own parting",
        "adam: its first update at rate 0.1 is 0.1",
    ]
