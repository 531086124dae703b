"""What is done with gradients that are not finite."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc.clipping import ClipByGlobalNorm, SkipNonFinite, ZeroNonFinite, skip_non_finite, zero_non_finite
from gdfunc.rules import SGD, Adam

PARAMS = {"b": jnp.ones(2), "w": jnp.full((2, 3), 2.0, jnp.float32)}
GOOD = {"b": jnp.asarray([0.5, -1.0]), "w": jnp.full((2, 3), 0.25, jnp.float32)}
BAD = {"b": jnp.asarray([jnp.nan, 1.0]), "w": jnp.asarray([[1.0, jnp.inf, 2.0], [-jnp.inf, 0.0, 3.0]])}


def test_non_finite_entries_become_zero_and_are_counted_leaf_by_leaf():
    finite, count = zero_non_finite(BAD)
    np.testing.assert_array_equal(finite["b"], np.asarray([0, 1], np.float32))
    np.testing.assert_array_equal(finite["w"], np.asarray([[1, 0, 2], [0, 0, 3]], np.float32))
    assert jax.tree.map(int, count) == {"b": 1, "w": 2}
    assert {c.dtype for c in jax.tree.leaves(count)} == {jnp.dtype("int32")}
    chex.assert_trees_all_equal(zero_non_finite(GOOD)[0], GOOD, strict=True)


def test_the_count_is_in_the_state_only_where_it_is_asked_for():
    rule = ZeroNonFinite(keep_count=True)
    state = rule.init(PARAMS)
    for grads, counts in ((BAD, {"b": 1, "w": 2}), (GOOD, {"b": 0, "w": 0})):
        _, state = rule.update(grads, state)
        assert jax.tree.map(int, state.memory.count) == counts
    assert ZeroNonFinite().init(PARAMS).memory == ()


def test_optaxs_zero_nans_keeps_infinities():
    # The day that this fails, the record of zero_non_finite has a twin in Optax.
    rule = optax.zero_nans()
    theirs = rule.update(BAD, rule.init(PARAMS))[0]
    assert jnp.isinf(theirs["w"][0, 1])
    assert theirs["b"][0] == 0


def test_zeroed_entries_have_no_derivative_and_the_others_theirs():
    def total(grads):
        return sum(jnp.sum(g**2) for g in jax.tree.leaves(zero_non_finite(grads)[0]))

    derivative = jax.grad(total)(BAD)
    np.testing.assert_array_equal(derivative["b"], np.asarray([0, 2], np.float32))
    np.testing.assert_array_equal(derivative["w"], np.asarray([[2, 0, 4], [0, 0, 6]], np.float32))


@pytest.mark.parametrize(
    "inner", [Adam(0.1), optax.adam(0.1), gd.chain(ClipByGlobalNorm(1.0), Adam(0.1))], ids=["rule", "optax", "chain"]
)
def test_a_bad_gradient_leaves_the_inner_state_as_it_was_and_good_ones_pass(inner):
    rule = skip_non_finite(inner)
    step = jax.jit(rule.update)
    plain_state, state = inner.init(PARAMS), rule.init(PARAMS)
    counts = []
    for grads in (GOOD, BAD, BAD, GOOD, BAD):
        updates, state = step(grads, state, PARAMS)
        chex.assert_tree_all_finite(updates)
        if grads is GOOD:
            expected, plain_state = jax.jit(inner.update)(grads, plain_state, PARAMS)
            chex.assert_trees_all_close(updates, expected, rtol=1e-6, strict=True)
        else:
            chex.assert_trees_all_equal(updates, jax.tree.map(jnp.zeros_like, PARAMS), strict=True)
        chex.assert_trees_all_close(state.inner, plain_state, rtol=1e-6, strict=True)
        counts.append((int(state.skipped), int(state.in_a_row)))
    assert counts == [(0, 0), (1, 1), (2, 2), (2, 0), (3, 1)]
    assert step._cache_size() == 1


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
def test_one_bad_entry_in_one_leaf_is_enough(bad):
    rule = skip_non_finite(SGD(0.1))
    grads = {**GOOD, "b": jnp.asarray([0.0, bad])}
    updates, state = rule.update(grads, rule.init(PARAMS), PARAMS)
    assert jnp.all(updates["w"] == 0)
    assert state.skipped == 1


def test_it_never_gives_in_where_optax_accepts_after_a_number_of_them():
    ours, theirs = skip_non_finite(SGD(0.1)), optax.apply_if_finite(optax.sgd(0.1), max_consecutive_errors=2)
    mine, other = ours.init(PARAMS), theirs.init(PARAMS)
    for _ in range(4):
        updates, mine = ours.update(BAD, mine, PARAMS)
        accepted, other = theirs.update(BAD, other, PARAMS)
    chex.assert_trees_all_equal(updates, jax.tree.map(jnp.zeros_like, PARAMS), strict=True)
    assert mine.in_a_row == 4
    assert jnp.isnan(accepted["b"][0])


def test_a_hyper_gradient_through_a_skipped_step_is_finite_and_that_of_the_steps_made():
    def final(rule, broken):
        params, state = PARAMS, rule.init(PARAMS)
        for grads in (GOOD, BAD, GOOD) if broken else (GOOD, GOOD):
            updates, state = rule.update(grads, state, params)
            params = gd.apply_updates(params, updates)
        return sum(jnp.sum(p**2) for p in jax.tree.leaves(params))

    rule = skip_non_finite(Adam(0.1))
    through = jax.grad(final)(rule, True)
    chex.assert_tree_all_finite(jax.tree.leaves(through))
    for a, b in zip(jax.tree.leaves(through), jax.tree.leaves(jax.grad(final)(rule, False)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert through.inner.learning_rate != 0


def test_a_schedule_inside_stands_still_while_updates_are_skipped():
    rule = skip_non_finite(SGD(lambda step: 1.0 / (step + 1)))
    state = rule.init(PARAMS)
    made = []
    for grads in (GOOD, BAD, GOOD):
        updates, state = rule.update(grads, state, PARAMS)
        made.append(float(updates["b"][1]))
    np.testing.assert_allclose(made, [1.0, 0.0, 0.5])


def test_it_maps_over_rates_and_runs_in_both_chains():
    rates = skip_non_finite(SGD(jnp.asarray([0.1, 0.2])))
    swept = jax.vmap(lambda r: r.update(GOOD, r.init(PARAMS), PARAMS)[0], in_axes=(gd.in_axes(rates),))(rates)
    np.testing.assert_allclose(swept["b"], -np.asarray([[0.1], [0.2]]) * np.asarray([[0.5, -1.0]]), rtol=1e-6)
    for chain in (gd.chain, optax.chain):
        whole = chain(skip_non_finite(Adam(0.1)), SGD(-1.0 * -1.0))
        updates, _ = whole.update(BAD, whole.init(PARAMS), PARAMS)
        chex.assert_tree_all_finite(updates)


def test_what_the_inner_rule_needs_is_what_the_combinator_needs():
    class Polyak(gd.ArrayRule):
        needs = ("value",)
        rate: gd.core.Rate

        def step(self, g, memory, p, t, value):
            return -self.rate * value * g, ()

    rule = skip_non_finite(gd.rule(Polyak)(0.5))
    assert rule.needs == ("value",)
    updates, _ = rule.update(GOOD, rule.init(PARAMS), PARAMS, value=jnp.asarray(2.0))
    np.testing.assert_allclose(updates["b"], -GOOD["b"], rtol=1e-6)


@pytest.mark.parametrize("inner", [0.1, Adam, None])
def test_something_that_is_no_rule_is_refused(inner):
    with pytest.raises(ValueError, match=re.escape("skip_non_finite needs a rule (an object with init and update)")):
        skip_non_finite(inner)
    with pytest.raises(ValueError, match="skip_non_finite needs a rule"):
        SkipNonFinite(inner)
