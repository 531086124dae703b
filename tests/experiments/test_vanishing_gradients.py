"""The study of vanishing gradients: its claims hold, and fail once He's initialisation is broken."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "vanishing_gradients.py"


def run(out, *options):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--out", out, *options], capture_output=True, text=True, timeout=300
    )
    record = json.loads((out / "vanishing_gradients.json").read_text())
    return done, {claim["what"]: claim["holds"] for claim in record["claims"]}


def test_every_claim_holds_and_the_pictures_and_the_record_are_written(tmp_path):
    done, claims = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(claims) >= 18
    assert all(claims.values())
    assert ET.parse(tmp_path / "vanishing_gradients.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "vanishing_gradients.png").read_bytes().startswith(b"\x89PNG")
    assert "18 of 18 claims hold" in done.stdout


def test_without_the_two_in_he_s_variance_what_is_claimed_of_he_fails_and_nothing_else(tmp_path):
    done, claims = run(tmp_path, "--mutate")
    assert done.returncode == 1, done.stdout + done.stderr
    of_he = {what for what in claims if what.startswith(("relu, He", "Xavier / He", "30 layers, He"))}
    assert {what for what, holds in claims.items() if not holds} == of_he
    assert len(of_he) == 5
