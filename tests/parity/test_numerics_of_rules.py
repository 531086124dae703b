"""Digits kept, derivatives of hyperparameters, and closed loops, beside the witnesses'."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gdfunc import parity, rules
from gdfunc.core import ArrayRule, Rate, rule, safe_sqrt

SOME = {
    "adam": rules.Adam(1e-3),
    "adamw": rules.AdamW(1e-3, weight_decay=0.1, decay="rate"),
    "radam": rules.RAdam(1e-3),
    "rmsprop": rules.RMSprop(1e-3),
    "sgd": rules.SGD(0.1, momentum=0.9),
}
every = pytest.mark.parametrize("made", SOME.values(), ids=SOME)


@every
def test_ours_keeps_as_many_digits_as_any_witness_in_every_row(made):
    found = parity.accuracy(made)
    assert len(found) == 15
    for row in found:
        assert row.as_accurate, row
        assert np.isfinite(row.ours), row
        flushed = row.case == "denormal gradient" and row.dtype != "float16"  # the CPU's vector units take them for 0
        assert flushed or row.ours <= parity.TOLERANCE, row


def test_what_optax_loses_is_seen():
    by_case = {(row.case, row.dtype): row for row in parity.accuracy(rules.Adam(1e-3))}
    assert by_case["first step", "float32"].theirs["optax.adam"] > 30
    assert by_case["40 steps", "float32"].theirs["optax.adam"] > 30
    assert by_case["40 steps", "float32"].theirs["torch.optim.Adam"] < 8
    assert by_case["zero gradient", "float16"].theirs["optax.adam"] == np.inf


@every
def test_hypergradients_are_difference_quotients_and_optaxs_where_those_are_finite(made):
    found = parity.hypergradients(made)
    assert found
    for each in found:
        assert each.agrees, each
        if each.theirs is not None and np.isfinite(each.theirs):
            assert each.theirs_agrees, each


def test_optaxs_hypergradients_are_nan_at_a_zero_gradient():
    by_field = {each.field: each for each in parity.hypergradients(rules.Adam(1e-3))}
    assert np.isnan(by_field["b2"].theirs)
    assert by_field["b2"].theirs_agrees is False


@rule
class Detached(ArrayRule):
    """SGD whose derivative with respect to the rate is lost."""

    learning_rate: Rate

    def step(self, g, memory, p, t):
        return -jax.lax.stop_gradient(self.learning_rate) * g, memory


def test_a_lost_derivative_is_noticed():
    (only,) = parity.hypergradients(Detached(0.1))
    assert not only.agrees


def test_the_closed_loop_of_equal_rules_is_within_what_rounding_explains():
    ours = rules.RMSprop(0.1, momentum=0.9, eps_at="outside")
    seen = parity.closed_loop(ours, optax.rmsprop(0.1, momentum=0.9, eps_in_sqrt=False), steps=300)
    assert np.max(seen.apart) > 100  # though one would call that apart
    assert seen.step is None
    assert "no more than rounding explains" in str(seen)


def test_the_closed_loop_of_other_rules_is_not():
    seen = parity.closed_loop(rules.Adam(0.1), optax.adam(0.1, eps=1e-3), precision="float64")
    assert seen.step == 1
    assert "more than rounding explains, from step 1 on" in str(seen)


def test_what_is_not_finite_is_said_to_be_so_and_is_no_agreement():
    seen = parity.closed_loop(rules.SGD(10.0), optax.sgd(10.0))
    assert seen.step is not None
    assert "not finite in float32, from step" in str(seen)


def test_a_loss_of_ones_own_is_taken_with_its_start():
    seen = parity.closed_loop(
        rules.SGD(0.1), optax.sgd(0.1), loss=lambda p: jnp.sum(safe_sqrt(1 + p["x"] ** 2)), params={"x": jnp.ones(3)}
    )
    assert seen.step is None
    with pytest.raises(ValueError, match="closed_loop needs loss and params together"):
        parity.closed_loop(rules.SGD(0.1), optax.sgd(0.1), params={"x": jnp.ones(3)})


def test_a_rule_of_ones_own_is_certified_against_a_formula_and_a_witness():
    good = parity.certify(rules.SGD(0.1), paper=lambda g, p: -0.1 * g, witness=optax.sgd(0.1))
    assert good.passes
    assert {row.witness for row in good.rows} > {"paper"}
    assert not parity.certify(rules.SGD(0.1), paper=lambda g, p: 0.1 * g).passes
    assert not parity.certify(rules.SGD(0.1), witness=optax.sgd(0.2)).passes
    with pytest.raises(ValueError, match="needs paper= or witness="):
        parity.certify(rules.SGD(0.1))


@pytest.mark.parametrize("ask", [parity.accuracy, parity.hypergradients], ids=["accuracy", "hypergradients"])
def test_what_is_no_rule_of_ours_is_refused(ask):
    with pytest.raises(ValueError, match="needs a rule of gdfunc's kind"):
        ask(optax.adam(1e-3))
