"""The study of exploding gradients: its claims hold, and fail once sigma_max takes the place of the spectral radius."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "exploding_gradients.py"


def run(out, *options):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--out", out, *options], capture_output=True, text=True, timeout=300
    )
    record = json.loads((out / "exploding_gradients.json").read_text())
    return done, {claim["what"]: claim["holds"] for claim in record["claims"]}


def test_every_claim_holds_and_the_pictures_and_the_record_are_written(tmp_path):
    done, claims = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(claims) >= 17
    assert all(claims.values())
    assert ET.parse(tmp_path / "exploding_gradients.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "exploding_gradients.png").read_bytes().startswith(b"\x89PNG")
    assert "17 of 17 claims hold" in done.stdout


def test_with_the_largest_singular_value_for_the_radius_every_predicted_growth_fails_and_nothing_else(tmp_path):
    done, claims = run(tmp_path, "--mutate")
    assert done.returncode == 1, done.stdout + done.stderr
    growth = {what for what in claims if what.startswith("linear")}
    assert {what for what, holds in claims.items() if not holds} == growth
    assert len(growth) == 4
