"""Rules made of rules."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc.rules import SGD, Adam, AdamW, Lion

P = {"body": {"w": jnp.array([[1.0, -2.0]]), "bias": jnp.array([3.0])}, "head": {"w": jnp.array([4.0, 5.0])}}
G = jax.tree.map(lambda x: x / 10, P)
MASK = {"body": {"w": True, "bias": False}, "head": {"w": True}}


def first(rule, grads=G, params=P, **extra):
    return rule.update(grads, rule.init(P), params, **extra)[0]


def scaled(factor):
    return jax.tree.map(lambda g: factor * g, G)


def close(a, b):
    chex.assert_trees_all_equal_shapes_and_dtypes(a, b)
    chex.assert_tree_all_finite(a)
    chex.assert_trees_all_close(a, b, rtol=1e-6)


# ------------------------------------------------------------------------------------------------ chain


def test_chain_gives_each_part_what_the_one_before_returned():
    close(first(gd.chain(SGD(2.0), SGD(3.0))), scaled(6.0))
    close(first(gd.chain(optax.clip(0.15), SGD(1.0))), jax.tree.map(lambda g: -jnp.clip(g, -0.15, 0.15), G))
    close(first(gd.chain(gd.chain(SGD(2.0)), optax.scale(-0.5))), scaled(1.0))
    close(first(gd.chain()), G)


def test_chain_knows_what_its_parts_need_and_hands_it_on():
    assert gd.chain(AdamW(0.1), SGD(0.1)).needs == ("params",)
    assert gd.chain(SGD(0.1)).needs == ()
    with pytest.raises(ValueError, match=r"AdamW\.update needs params"):
        first(gd.chain(SGD(1.0), AdamW(0.1)), params=None)
    # An Optax part that takes extra arguments is given them, one that does not is spared them.
    seen = []
    taking = optax.GradientTransformationExtraArgs(lambda p: (), lambda g, s, p=None, **kw: (seen.append(kw) or g, s))
    first(gd.chain(taking, optax.scale(1.0), SGD(0.1)), value=3.0)
    assert seen == [{"value": 3.0}]


@pytest.mark.parametrize("part", [SGD, "sgd", None, lambda g: g])
def test_chain_refuses_what_is_no_rule(part):
    with pytest.raises(ValueError, match="chain needs rules"):
        gd.chain(SGD(0.1), part)


# ------------------------------------------------------------------------------------------------ masked


def test_masked_passes_the_other_gradients_through_as_they_are():
    updates = first(gd.masked(SGD(2.0), MASK))
    close(updates, {**scaled(-2.0), "body": {"w": -2 * G["body"]["w"], "bias": G["body"]["bias"]}})
    close(first(gd.masked(optax.scale(-2.0), MASK)), updates)
    close(first(optax.masked(SGD(2.0), MASK)), updates)


def test_masked_takes_a_function_of_the_parameters():
    only_matrices = gd.masked(AdamW(0.1), lambda p: jax.tree.map(lambda x: x.ndim > 1, p))
    assert only_matrices.needs == ("params",)
    updates = first(only_matrices)
    close(updates["head"], G["head"])
    assert not np.allclose(updates["body"]["w"], G["body"]["w"])
    state = only_matrices.init(P)
    assert len(jax.tree.leaves(state.memory.m)) == 1


def test_masked_nowhere_does_nothing_and_everywhere_is_the_rule():
    close(first(gd.masked(Adam(0.1), jax.tree.map(lambda _: False, P))), G)
    close(first(gd.masked(Adam(0.1), jax.tree.map(lambda _: True, P))), first(Adam(0.1)))


def test_a_mask_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="masked needs a mask alike the parameters"):
        gd.masked(SGD(0.1), {"body": True}).init(P)
    with pytest.raises(ValueError, match="masked needs a mask alike the parameters"):
        gd.masked(SGD(0.1), lambda p: {"body": True}).init(P)
    with pytest.raises(ValueError, match="masked needs a mask of booleans"):
        gd.masked(SGD(0.1), {"body": 1.0})
    with pytest.raises(ValueError, match="masked needs rules"):
        gd.masked("SGD", MASK)


# ------------------------------------------------------------------------------------------------ by_path


def test_by_path_gives_each_leaf_the_first_rule_whose_pattern_matches():
    rule = gd.by_path({"*/bias": SGD(1.0), "body/*": SGD(2.0), "*": SGD(3.0)})
    close(
        first(rule),
        {"body": {"w": -2 * G["body"]["w"], "bias": -G["body"]["bias"]}, "head": {"w": -3 * G["head"]["w"]}},
    )


def test_by_path_freezes_with_none():
    rule = gd.by_path({"body/*": None, "*": Adam(0.1)})
    state = rule.init(P)
    for _ in range(3):
        updates, state = rule.update(G, state, P)
        assert not np.any(updates["body"]["w"])
        assert not np.any(updates["body"]["bias"])
        assert np.all(updates["head"]["w"] != 0)
    assert state[0] == ()


def test_each_group_has_a_state_of_its_leaves_only():
    rule = gd.by_path({"body/*": Adam(0.1), "nothing/*": Adam(0.2), "*": Lion(0.1)})
    state = rule.init(P)
    assert jax.tree.map(jnp.shape, state[0].memory.m) == {"body": {"w": (1, 2), "bias": (1,)}, "head": {"w": None}}
    assert state[1] == ()
    for _ in range(3):
        updates, state = rule.update(G, state, P)
    alone = Adam(0.1)
    own = alone.init(P["body"])
    for _ in range(3):
        wanted, own = alone.update(G["body"], own, P["body"])
    close(updates["body"], wanted)


def test_a_leaf_that_no_pattern_matches_is_named():
    with pytest.raises(
        ValueError, match=r"by_path needs a pattern for every leaf, and none of body/\* matches 'head/w'"
    ):
        gd.by_path({"body/*": SGD(0.1)}).init(P)


def test_errors_inside_a_group_keep_the_path_from_the_root():
    rule = gd.by_path({"body/*": Adam(0.1), "*": SGD(0.1)})
    state = rule.init(P)
    with pytest.raises(ValueError, match=r"(Adam|by_path)\.update needs .*'body/bias'"):
        rule.update({**G, "body": {**G["body"], "bias": jnp.ones(2)}}, state)
    with pytest.raises(ValueError, match=r"by_path\.update needs .*'body/bias'"):
        rule.update({**G, "body": {**G["body"], "bias": jnp.ones(2)}}, state, P)
    with pytest.raises(ValueError, match=r"by_path\.init needs .* int32 at 'head/w'"):
        rule.init({**P, "head": {"w": jnp.ones(2, int)}})


def test_by_path_needs_what_its_rules_need():
    rule = gd.by_path({"body/*": AdamW(0.1), "*": None})
    assert rule.needs == ("params",)
    with pytest.raises(ValueError, match=r"AdamW\.update needs params"):
        first(rule, params=None)


@pytest.mark.parametrize(("rules", "message"), [({}, "by_path needs a mapping"), ({"*": "SGD"}, "by_path needs rules")])
def test_by_path_refuses_what_is_no_table_of_rules(rules, message):
    with pytest.raises(ValueError, match=message):
        gd.by_path(rules)


def test_combinators_nest_and_hold_optax_parts():
    rule = gd.by_path(
        {
            "*/bias": gd.chain(optax.clip(0.1), SGD(1.0)),
            "*": gd.masked(optax.adam(0.1), {"body": {"w": True, "bias": None}, "head": {"w": False}}),
        }
    )
    updates = first(rule)
    close(updates["body"]["bias"], -jnp.clip(G["body"]["bias"], -0.1, 0.1))
    close(updates["head"], G["head"])
    np.testing.assert_allclose(updates["body"]["w"], [[-0.1, 0.1]], rtol=1e-4)


# ------------------------------------------------------------------------------------------------ all of them

CLIP = optax.clip(1.0)  # one: to JAX another call makes another transformation, hence another program
COMBINED = {
    "chain": lambda rate: gd.chain(CLIP, Adam(rate)),
    "masked": lambda rate: gd.masked(Adam(rate), MASK),
    "by_path": lambda rate: gd.by_path({"body/*": Adam(rate), "*": SGD(rate)}),
}
every_combinator = pytest.mark.parametrize("make", COMBINED.values(), ids=COMBINED)


@every_combinator
def test_the_numbers_of_the_parts_are_leaves_and_another_rate_recompiles_nothing(make):
    @jax.jit
    @chex.assert_max_traces(n=1)
    def update(rule):
        return rule.update(G, rule.init(P), P)[0]

    close(update(make(0.1)), first(make(0.1)))
    close(update(make(0.2)), first(make(0.2)))


@every_combinator
def test_vmap_over_the_rates_inside_equals_a_loop(make):
    many = make(jnp.array([0.1, 0.2]))
    seen = jax.vmap(first, in_axes=(gd.in_axes(many),))(many)
    for i, rate in enumerate((0.1, 0.2)):
        close(jax.tree.map(lambda x, i=i: x[i], seen), first(make(rate)))


@every_combinator
def test_grad_reaches_into_the_parts(make):
    slopes = jax.grad(lambda rule: sum(jnp.sum(u) for u in jax.tree.leaves(first(rule))))(make(0.1))
    assert type(slopes) is type(make(0.1))
    chex.assert_tree_all_finite(slopes)
    assert any(float(x) != 0 for x in jax.tree.leaves(slopes))


@every_combinator
def test_equality_hash_and_repr(make):
    assert make(0.1) != make(0.2)
    assert make(0.1) == make(0.1)
    assert hash(make(0.1)) == hash(make(0.1))
    assert repr(make(0.1)).startswith(next(name for name, each in COMBINED.items() if each is make) + "(")


def test_the_repr_of_chain_and_by_path_makes_them_again():
    for rule in (gd.chain(SGD(0.1), Adam(0.2)), gd.by_path({"*/b": None, "*": SGD(0.1)})):
        names = {"chain": gd.chain, "by_path": gd.by_path, "SGD": SGD, "Adam": Adam}
        assert eval(repr(rule), names) == rule


def test_the_repr_of_masked_makes_it_again():
    rule = gd.masked(SGD(0.1), {"a": True, "b": False})
    assert eval(repr(rule), {"masked": gd.masked, "SGD": SGD}) == rule


MISSING = {
    "a gradient": lambda rule: rule.update({"body": G["body"]}, rule.init(P), P),
    "a parameter": lambda rule: rule.update(G, rule.init(P), {"body": P["body"]}),
    "a state": lambda rule: rule.update(G, rule.init(P)[:1], P),
}


@pytest.mark.parametrize("name", COMBINED)
@pytest.mark.parametrize("missing", MISSING)
def test_trees_and_states_that_do_not_match_are_told_in_our_words(name, missing):
    with pytest.raises(ValueError, match=r"^\w+(\.update)? needs"):
        MISSING[missing](COMBINED[name](0.1))


@every_combinator
def test_a_jitted_scan_keeps_the_state_as_it_is(make):
    rule = make(0.1)
    end, _ = jax.jit(lambda s: jax.lax.scan(lambda s, _: (rule.update(G, s, P)[1], None), s, length=3))(rule.init(P))
    assert jax.tree.structure(end) == jax.tree.structure(rule.init(P))
