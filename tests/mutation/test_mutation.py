"""Would we notice? Every convention, number, sign and constant of every rule is broken once, and the certificates must tell."""

import pytest
from _judge import RECORDS, killed_by
from _table import MUTANTS, STUDY
from _the_same import THE_SAME

from gdfunc.parity import certify


@pytest.mark.parametrize("name", MUTANTS)
def test_every_broken_rule_is_told_from_the_right_one(name, record_property):
    wrong = [mutant for mutant in MUTANTS[name] if mutant not in THE_SAME.get(name, {})]
    survivors = [mutant for mutant in wrong if killed_by(name, MUTANTS[name][mutant]) is None]
    record_property("mutants", (len(wrong), len(wrong) - len(survivors)))
    assert wrong
    assert not survivors, f"no witness notices these in {name}: {survivors}"


@pytest.mark.parametrize(("name", "mutant"), [(name, mutant) for name, each in THE_SAME.items() for mutant in each])
def test_what_is_left_out_of_the_score_is_the_same_rule(name, mutant):
    assert killed_by(name, MUTANTS[name][mutant]) is None, f"{mutant} is noticed now: it belongs to the score"


@pytest.mark.parametrize("wrong", STUDY)
def test_the_studys_wrong_rules_are_among_them(wrong):
    name, mutant = STUDY[wrong]
    assert any(each == mutant or each.startswith(f"{mutant}") or f"[{mutant}]" in each for each in MUTANTS[name])


def test_the_table_is_large_and_covers_every_rule():
    assert set(MUTANTS) == set(RECORDS)
    assert len(STUDY) == 20
    assert sum(map(len, MUTANTS.values())) >= 1000


def test_the_unbroken_rule_is_not_called_broken():
    assert certify("adam", quick=True).passes
    assert killed_by("adam", lambda settings: RECORDS["adam"].make(**settings)) is None
