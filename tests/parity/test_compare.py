"""The comparison finds differences, and says where the two part."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc import parity, rules
from gdfunc.parity import compare as compare_and_explain

compare = partial(compare_and_explain, explain=False)  # causes have their own tests
modes = pytest.mark.parametrize("precision", [mode.name for mode in parity.MODES])


def stateless(f):
    """The transformation whose update is f(gradient)."""
    return optax.GradientTransformation(lambda p: (), lambda g, state, p=None: (jax.tree.map(f, g), state))


@modes
@pytest.mark.parametrize("jit", [True, False])
def test_a_rule_agrees_with_itself_exactly(precision, jit):
    seen = compare(rules.Adam(0.1), rules.Adam(0.1), precision=precision, jit=jit, steps=5)
    assert seen.agrees
    assert seen.error == 0
    assert (seen.step, seen.leaf, seen.index, seen.values, seen.late, seen.why) == (None, None, None, None, 0, "")
    assert str(seen).endswith(f"agree to 0 rounding errors of {precision}")


@modes
def test_optax_adam_agrees_where_it_is_computed_alike(precision):
    assert compare(rules.Adam(0.1, debias="power"), optax.adam(0.1), precision=precision).agrees


@modes
def test_optax_rprop_is_found_to_be_one_step_late(precision):
    seen = compare(rules.Rprop(0.01, on_sign_change="hold"), optax.rprop(0.01), precision=precision)
    assert not seen.agrees
    assert (seen.step, seen.late) == (1, 1)
    assert seen.values[1] == 0
    assert "1 step late" in str(seen)


def test_a_rule_that_is_only_different_is_not_late():
    assert compare(rules.SGD(0.1), rules.SGD(0.2)).late == 0


def test_the_first_step_leaf_and_entry_that_differ_are_named():
    g = {"a": np.ones((6, 2)), "b": np.ones((6, 2))}
    g["b"][3, 1] = g["a"][5, 0] = 2.0
    seen = compare(rules.SGD(0.1), stateless(lambda g: -0.1 * jnp.minimum(g, 1)), gradients=g)
    assert (seen.step, seen.leaf, seen.index) == (4, "b", (1,))
    np.testing.assert_allclose(seen.values, (-0.2, -0.1), rtol=1e-6)
    # The unit is the rounding error of the witness's largest update in the leaf, 0.1 eps.
    np.testing.assert_allclose(seen.error, 1 / np.finfo(np.float32).eps, rtol=1e-6)


@modes
@pytest.mark.parametrize("off", [4, 16])
def test_the_error_counts_rounding_errors(precision, off):
    mode = next(mode for mode in parity.MODES if mode.name == precision)
    seen = compare(stateless(lambda g: g * (1 + off * mode.eps)), stateless(lambda g: g), precision=precision)
    assert abs(seen.error - off) <= 1
    assert seen.agrees == (off < parity.TOLERANCE)


def test_nan_agrees_with_nothing_not_even_with_nan():
    not_a_number = stateless(lambda g: g * jnp.nan)
    for other in (not_a_number, rules.SGD(0.1)):
        for pair in ((not_a_number, other), (other, not_a_number)):
            seen = compare(*pair)
            assert seen.error == np.inf
            assert not seen.agrees
            assert seen.step == 1
            assert "is not finite from step 1, leaf 'matrix', index (0, 0): nan" in str(seen)


def test_an_infinity_agrees_with_nothing():
    infinite = stateless(lambda g: g + jnp.inf)
    for pair in ((infinite, infinite), (infinite, rules.SGD(0.1)), (rules.SGD(0.1), infinite)):
        with np.errstate(invalid="ignore"):
            assert compare(*pair).error == np.inf


def test_another_dtype_is_a_difference():
    narrow = stateless(lambda g: g.astype(jnp.float32))
    seen = compare(narrow, stateless(lambda g: g), precision="float64")
    assert seen.error == np.inf
    assert "float32" in seen.why
    assert "float64" in seen.why
    assert seen.why in str(seen)


def test_another_shape_is_a_difference_even_where_it_would_broadcast():
    g = {"x": np.ones((3, 2))}
    seen = compare(stateless(lambda g: g[:, None]), stateless(lambda g: g), gradients=g)
    assert seen.error == np.inf
    assert "[3, 2, 1] against float32[3, 2]" in seen.why


def test_other_leaves_are_a_difference():
    fewer = optax.GradientTransformation(lambda p: (), lambda g, state, p=None: ({"matrix": g["matrix"]}, state))
    seen = compare(fewer, stateless(lambda g: g))
    assert seen.error == np.inf
    assert "leaves ['matrix'] against" in seen.why


def test_own_gradients_and_params_are_used():
    g = {"w": np.array([[1.0], [-2.0], [3.0]])}
    p = {"w": np.array([[1.0], [1.0], [5.0]])}
    none, some = rules.Lion(0.1), rules.Lion(0.1, weight_decay=0.5)
    assert compare(none, some, gradients=g).agrees  # at zero parameters there is nothing to decay
    seen = compare(none, some, gradients=g, params=p)
    np.testing.assert_allclose(seen.values, (-0.1, -0.15), rtol=1e-6)
    assert compare(some, optax.lion(0.1, weight_decay=0.5), gradients=g, params=p).agrees


def test_another_seed_is_another_stream_and_the_numbers_are_exact_in_float32():
    one, other = parity.stream(), parity.stream(seed=1)
    assert one.steps == 40
    assert not np.array_equal(one.gradients["matrix"], other.gradients["matrix"])
    for leaf in (*one.gradients.values(), *one.params.values()):
        np.testing.assert_array_equal(leaf, leaf.astype(np.float32), strict=False)
    assert all(np.all(g[6] == 0) for g in one.gradients.values())
    np.testing.assert_array_equal(parity.stream(steps=12).gradients["matrix"].shape, (12, 4, 3))


def test_a_tolerance_may_be_given():
    wide = compare(rules.SGD(0.1), rules.SGD(0.1 * (1 + 1e-5)), tolerance=1e3)
    assert wide.agrees
    assert not compare(rules.SGD(0.1), rules.SGD(0.1 * (1 + 1e-5))).agrees


def test_the_two_are_described():
    seen = compare(gd.chain(rules.SGD(0.1)), optax.chain(optax.scale(-0.1), optax.identity()))
    assert seen.first == "chain(SGD(learning_rate=0.1, momentum=None, dampening=0.0))"
    assert seen.second.endswith("Optax chain")
    assert seen.agrees


class Own:
    """RMSprop as a user writes it: an object with the two methods."""

    def init(self, params):
        return {"v": jax.tree.map(jnp.zeros_like, params)}

    def update(self, grads, state, params):
        v = jax.tree.map(lambda v, g: 0.9 * v + 0.1 * g**2, state["v"], grads)
        return jax.tree.map(lambda g, v: -0.01 * g / jnp.sqrt(v + 1e-8), grads, v), {"v": v}


def test_a_users_own_pair_is_compared_as_an_object_and_as_a_tuple():
    own = Own()
    for pair in (own, (own.init, own.update)):
        assert compare(rules.RMSprop(0.01), pair).agrees
        assert compare(pair, optax.rmsprop(0.01)).agrees
        assert not compare(rules.RMSprop(0.02), pair).agrees


def test_the_first_quantity_that_differs_is_named():
    ours = rules.Adam(0.1, debias="power")  # its first update is the same for all decays
    for other, quantity in (
        (optax.adam(0.1, b1=0.8), "m: -0.0297227 against -0.0472842 at step 2"),
        (optax.adam(0.1, b2=0.99), "v: 0.000369736 against 0.00369736 at step 1"),  # but for the rounding of 1 - b2
        (optax.adam(0.1, eps=1.0), "the update itself: 0.0999993 against 0.0378131 at step 1 (m, v agree)"),
        # Of two of ours all local variables are compared.
        (rules.Adam(0.1, eps=1.0, debias="power"), "denominator: 0.608063 against 1.60806 at step 1"),
        (rules.Adam(0.1, b1=0.8, debias="power"), "m: -0.0297227 against -0.0472842 at step 2"),
    ):
        seen = compare(ours, other)
        assert seen.quantity == quantity
        assert quantity in str(seen)
        assert compare(ours, ours).quantity == ""


def test_the_quantity_is_that_of_the_step_leaf_and_entry_that_part():
    g = {"a": np.ones((6, 2)), "b": np.ones((6, 2))}
    g["b"][3, 1] = 2.0
    capped = (lambda p: (), lambda g, state, p: (jax.tree.map(lambda x: -0.1 * jnp.minimum(x, 1), g), state))
    assert compare(rules.SGD(0.1), capped, gradients=g).quantity == ""  # the two show nothing in common
    seen = compare(rules.RMSprop(0.01, decay=0.5), rules.RMSprop(0.01, decay=0.5, eps=1e-3), gradients=g)
    assert (seen.step, seen.leaf) == (1, "a")
    late = compare(Own(), rules.RMSprop(lambda s: jnp.where(s < 3, 0.01, 0.02)), gradients=g)
    assert (late.step, late.quantity) == (4, "the update itself: -0.0170523 against -0.0341047 at step 4 (v agrees)")


@pytest.mark.parametrize("name", ["lamb", "adafactor", "muon", "prodigy", "lookahead"])
def test_rules_that_see_more_than_one_entry_are_compared_too(name):
    record = rules.record(name)
    one = record.make(**record.settings[0])
    assert compare(one, one).agrees
    assert not compare(one, stateless(lambda g: -0.1 * g)).agrees


def test_a_comparison_becomes_plain_data():
    seen = compare(rules.SGD(0.1), stateless(lambda g: g * jnp.nan))
    read = json.loads(json.dumps(seen.as_dict(), allow_nan=False))
    assert (read["agrees"], read["step"], read["leaf"], read["error"], read["cause"]) == (
        False,
        1,
        "matrix",
        None,
        None,
    )
    read = json.loads(json.dumps(compare_and_explain(rules.SGD(0.1), optax.sgd(0.2)).as_dict(), allow_nan=False))
    assert read["cause"]["changes"] == {"learning_rate": 0.2}
    assert read["cause"]["rule"].startswith("SGD(learning_rate=0.2")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"precision": "half"}, "precision of float32, .*'half'"),
        ({"steps": 0}, "steps >= 1.*steps=0"),
        ({"steps": 2.5}, "steps >= 1.*steps=2.5"),
        ({"gradients": {}}, "one number of steps"),
        ({"gradients": {"x": 1.0}}, "one number of steps"),
        ({"gradients": {"x": [1.0, 2.0], "y": [1.0]}}, r"one number of steps.*\(2,\).*\(1,\)"),
        ({"gradients": {"x": [1.0, np.nan]}}, "finite gradients"),
        ({"gradients": {"x": np.ones((2, 3))}, "params": {"x": np.ones((2, 1))}}, "shaped as gradients"),
        ({"gradients": {"x": np.ones((2, 3))}, "params": {"y": np.ones((2, 3))}}, "shaped as gradients"),
    ],
)
def test_bad_input_is_refused_in_words(keywords, message):
    with pytest.raises(ValueError, match=message):
        compare(rules.SGD(0.1), rules.SGD(0.1), **keywords)


@pytest.mark.parametrize("thing", [rules.SGD, optax.sgd, 0.1, None])
def test_what_is_no_rule_is_refused(thing):
    with pytest.raises(ValueError, match="rules or transformations with init and update"):
        compare(rules.SGD(0.1), thing)
