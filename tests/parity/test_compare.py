"""The comparison finds differences, and says where the two part."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc import parity, rules
from gdfunc.parity import compare

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
