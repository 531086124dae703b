"""Would we notice? Every convention, number, sign and constant of every rule is broken once, and the certificates must tell."""

import importlib.util
import inspect
from pathlib import Path

import jax
import pytest
from _exceptions import ELSEWHERE, THE_SAME
from _judge import RECORDS, killed_by
from _table import MUTANTS, STUDY

RULES = Path(__file__).parents[1] / "rules"


def step_of(name, mutant):
    """The broken formula; None where a field was changed."""
    rules = (MUTANTS[name][mutant](settings) for settings in RECORDS[name].settings)
    step = next(type(rule).step for rule in rules if rule is not None)
    return None if step is RECORDS[name].make.step else step


@pytest.mark.parametrize("name", MUTANTS)
def test_every_broken_rule_is_told_from_the_right_one(name, record_property):
    told = {
        mutant: killed_by(name, mutate) is not None
        for mutant, mutate in MUTANTS[name].items()
        if (name, mutant) not in ELSEWHERE
    }
    wrong = [mutant for mutant in told if (name, mutant) not in THE_SAME]
    record_property("mutants", (len(wrong), sum(told[mutant] for mutant in wrong)))
    assert wrong or name == "ema_params"  # whose updates are what it is given
    survivors = [mutant for mutant in wrong if not told[mutant]]
    assert not survivors, f"no witness notices these in {name}: {survivors}"
    different = [mutant for mutant in told if told[mutant] and mutant not in wrong]
    assert not different, f"these are noticed in {name}, and so belong to the score: {different}"


def test_what_is_left_out_of_the_score_is_in_the_table():
    assert all(mutant in MUTANTS[name] for name, mutant in (*THE_SAME, *ELSEWHERE))


@pytest.mark.parametrize(("name", "mutant"), ELSEWHERE)
def test_what_no_update_shows_another_test_notices(name, mutant, monkeypatch):
    file, test = ELSEWHERE[name, mutant]
    spec = importlib.util.spec_from_file_location(f"again_{file.removesuffix('.py')}", RULES / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    noticed, step = getattr(module, test), step_of(name, mutant)
    if step is None:
        return  # the test takes the field's value as its argument, or both
    arguments = {"bad": 1e3} if "bad" in inspect.signature(noticed).parameters else {}
    with jax.enable_x64(True):
        noticed(**arguments)
        monkeypatch.setattr(RECORDS[name].make, "step", step)
        jax.clear_caches()
        with pytest.raises((AssertionError, ValueError)):
            noticed(**arguments)


@pytest.mark.parametrize("wrong", STUDY)
def test_the_studys_wrong_rules_are_among_them(wrong):
    name, mutant = STUDY[wrong]
    assert any(each == mutant or f"[{mutant}]" in each for each in MUTANTS[name])


def test_the_table_is_large_and_covers_every_rule():
    assert set(MUTANTS) == set(RECORDS)
    assert len(STUDY) == 20
    assert sum(map(len, MUTANTS.values())) >= 1000


def test_the_unbroken_rule_is_not_called_broken():
    assert killed_by("adam", lambda settings: RECORDS["adam"].make(**settings)) is None
