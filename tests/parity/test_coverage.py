"""Every public function of Optax is either the twin of a record or has a line that says why it is not."""

import inspect
import re
from functools import reduce

import pytest
from optax._src import alias

import gdfunc
from gdfunc import rules
from gdfunc.parity import build, coverage
from gdfunc.parity._coverage import MODULES, REASONS, public

COVERED = coverage()

# Both draw their noise from keys of their own; the older of two optimistic Adams gives way to the newer.
NO_TWIN = {"noisy_sgd", "optimistic_adam"}


def names(covered):
    return {name.rpartition(".")[2] for name in covered}


def test_every_public_function_of_optax_is_in_the_table():
    assert set(COVERED) == {f"{module}.{name}" for module in MODULES for name in public(module)}
    assert {"optax.adam", "optax.MultiSteps", "optax.contrib.muon", "optax.losses.huber_loss"} <= set(COVERED)
    # What is left out is types and modules.
    left_out = {
        name
        for module in MODULES
        for name, x in vars(inspect.importlib.import_module(module)).items()
        if inspect.isfunction(x) and not name.startswith("_") and name not in public(module)
    }
    assert not left_out


def test_each_has_a_twin_or_a_reason_and_none_has_both():
    assert not [name for name, each in COVERED.items() if not each.ours and not each.reason]
    assert not [name for name, each in COVERED.items() if each.ours and each.reason]


def test_no_reason_speaks_of_a_function_that_optax_no_longer_has():
    assert not set(REASONS) - names(COVERED)


@pytest.mark.parametrize("name", REASONS)
def test_what_a_reason_names_of_ours_exists(name):
    assert len(REASONS[name]) > 10 or "`" in REASONS[name]
    for path in re.findall(r"`(gdfunc[\w.]*)`", REASONS[name]):
        assert reduce(getattr, path.split(".")[1:], gdfunc) is not None


NO_OPTIMIZER = {
    "differentially_private_aggregate",
    "hutchinson_estimator_diag_hessian",
    "normalize",
    "schedule_free_eval_params",
    "split_real_and_imaginary",
}


def optimizers():
    """The names of the aliases, and of what else optax.contrib has."""
    aliases = {name for name in public("optax") if hasattr(alias, name)}
    contrib = set(public("optax.contrib"))
    assert contrib >= NO_OPTIMIZER
    return {name for name in aliases | contrib - NO_OPTIMIZER if not name.startswith("scale_by_")}


def test_every_optimizer_of_optax_has_a_twin_that_can_be_built_or_stands_on_the_short_list():
    found = optimizers()
    assert {"adam", "nadam", "lbfgs", "muon", "sam", "mechanize", "schedule_free"} <= found
    records = rules.records()
    without = set()
    for name in found:
        each = next(each for full, each in COVERED.items() if full.rpartition(".")[2] == name)
        settings = [(records[ours], given) for ours in each.ours for given in records[ours].settings]
        twins = [twin for record, _ in settings for twin in record.twins if twin.name.endswith(f".{name}")]
        if not any(
            not isinstance(build(twin, record.make(**given)), str) for record, given in settings for twin in twins[:1]
        ):
            without.add(name)
    assert without == NO_TWIN
    assert names(name for name, each in COVERED.items() if each.reason) >= NO_TWIN
