"""The page of known differences: what the records say, all of it, and as it stands in docs/."""

import dataclasses
import re
from pathlib import Path

import pytest

from gdfunc.core import Deviation
from gdfunc.parity._functions import CATALOGUES, catalogue
from gdfunc.report import _deviations as page_module, certified, deviations, deviations_page
from gdfunc.rules import records

ROOT = Path(__file__).parents[2]
PAGE = deviations_page()
KNOWN = deviations()
plain = PAGE.replace("\\", "")


def section(twin):
    """What stands below the heading of a twin."""
    return plain.partition(f"\n### {twin}\n")[2].partition("\n#")[0]


def test_the_page_in_docs_is_the_one_that_the_records_make():
    told = "docs/deviations.md is out of date: gdfunc parity --deviations > docs/deviations.md"
    assert (ROOT / "docs" / "deviations.md").read_text() == PAGE, told


def test_every_deviation_of_every_record_is_on_the_page_with_its_thread():
    everything = [d for folder in ("rules", *CATALOGUES) for r in catalogue(folder).values() for d in r.deviations]
    assert [known.deviation for known in KNOWN] == everything
    assert len(everything) > 60
    lines = plain.splitlines()
    for known in KNOWN:
        what = known.deviation.what
        in_table = [line for line in lines if f"| {what} |" in line and known.deviation.twin.rsplit(".")[-1] in line]
        in_section = [line for line in lines if line == f"- **{what}**" and line in section(known.deviation.twin)]
        found = in_section or in_table or [line for line in lines if known.deviation.twin == "paper" and what in line]
        assert found, known
        where = section(known.deviation.twin) if in_section else found[0]
        assert known.deviation.thread in where


def test_defects_come_before_differences_in_rounding():
    for library in ("Optax 0.2.8", "PyTorch 2.13.0"):
        own = plain.partition(f"\n## {library}\n")[2].partition("\n## ")[0]
        headings = re.findall(r"^### (.*)$", own, flags=re.MULTILINE)
        assert headings[-1] == f"{library}: rounding only"
        assert headings[:-1] == sorted(set(headings[:-1]))
    assert "0.92" in section("optax.adan")
    assert "evaluated literally" not in section("optax.adam")
    table = section("Optax 0.2.8: rounding only")
    assert "optax.adam(" in table
    assert "`gdfunc parity adam`" in table


def test_a_section_has_both_calls_the_sizes_the_version_the_thread_and_a_command():
    assert section("optax.rprop").strip().splitlines() == [
        "- **every update is the one of the step before, and the first is zero**",
        "  - there: `optax.rprop(learning_rate=0.01, eta_minus=0.5, eta_plus=1.2, min_step_size=1e-06, max_step_size=50.0)`",
        '  - here: `gd.rules.Rprop(learning_rate=0.01, on_sign_change="hold")`',
        "  - size: float32 0.48 to 3.6 (4e+06 to 3e+07), float32 (x64) 0.48 to 3.6 (4e+06 to 3e+07), "
        "float64 0.44 to 4.4 (2e+15 to 2e+16)",
        "  - since: optax 0.2.8, or before",
        "  - thread: <https://github.com/google-deepmind/optax/pull/1725>",
        "  - to see it: `gdfunc parity rprop`",
    ]


def test_a_deviation_that_no_certificate_shows_is_seen_by_a_test():
    assert "pytest tests/parity/test_optax_defects.py -k optax.adadelta" in section("optax.adadelta")
    assert "gdfunc parity" not in section("optax.adadelta")
    assert "- there: `optax.adadelta(learning_rate=None" in section("optax.adadelta")
    assert "- here" not in section("optax.adadelta")  # ours refuses it


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: f"{known.name}-{known.deviation.twin}")
def test_a_certificate_that_shows_a_deviation_is_made_at_settings_of_the_record(known):
    settings = certified(known)
    if settings is None:
        return
    assert settings in known.record.settings
    made = known.record.make(**settings)
    assert all(getattr(made, name) == value for name, value in known.deviation.settings.items())


def test_a_new_deviation_changes_the_page(monkeypatch):
    record = records()["sgd"]
    new = Deviation(
        "optax.sgd", "optax 0.2.8", "twice as far", {"momentum": 0.9}, {"float64": (1e10, 1e15)}, "a thread"
    )
    changed = {"sgd": dataclasses.replace(record, deviations=(*record.deviations, new))}
    monkeypatch.setattr(page_module, "catalogue", lambda folder: changed if folder == "rules" else {})
    page = deviations_page()
    assert "### optax.sgd\n\n- **twice as far**\n  - there: `optax.sgd(learning_rate=0.03, momentum=0.9" in page
    assert "`gdfunc parity sgd`" in page
    assert "### optax.rprop" not in page
