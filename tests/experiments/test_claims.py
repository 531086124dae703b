"""Experiments of a few seconds hold, from another seed too, and each fails where the thing that its claims stand on is broken."""

import importlib
import json
from pathlib import Path

import pytest

from gdfunc.report import run_experiment

# How many claims there are, and how those begin that fail under --mutate.
QUICK = {
    "adam_counterexample": (10, ("theorem 1, C = 3: AMSGrad", "section 5, 1010 x: AMSGrad")),
    "clipping_pays": (10, ("from 10.3: steps with", "from 30.3: steps with", "from 100.3: steps with")),
    "landscapes": (3, ("a layer times 8",)),
    "neurons_saturate": (12, ("cross-entropy, from",) * 3 + ("cross-entropy: more epochs",)),
    "newton_order": (12, ("Newton:",) * 2 + ("curvatures 1 to 1000,",) * 2 + ("three curvatures,",) * 3),
    "worst_cases": (11, ("Huber's",) * 5),
}


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "experiments")

    def run(name, *flags):
        code = run_experiment(importlib.import_module(name).main, ["--quick", "--out", str(tmp_path), *flags])
        record = json.loads((tmp_path / f"{name}.json").read_text())
        return code, record, [claim["what"] for claim in record["claims"] if not claim["holds"]]

    return run


@pytest.mark.parametrize("name", QUICK)
def test_every_claim_holds_and_is_drawn(run, tmp_path, name):
    code, record, failed = run(name, "--seed", "3")
    assert (code, failed) == (0, [])
    assert record["holds"]
    assert record["seed"] == 3
    assert len(record["claims"]) == QUICK[name][0]
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", QUICK)
def test_with_one_thing_broken_what_stands_on_it_fails_and_nothing_else(run, name):
    code, record, failed = run(name, "--mutate")
    assert code == 1
    assert not record["holds"]
    starts = QUICK[name][1]
    assert len(failed) == len(starts)
    assert all(what.startswith(start) for what, start in zip(failed, starts, strict=True))
