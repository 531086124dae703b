"""Arithmetic on parameter trees: linear, exact about dtypes, and clear about the leaf that is wrong."""

import re
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import gdfunc as gd
from gdfunc.core import (
    apply_updates,
    check_alike,
    check_params,
    did_you_mean,
    leaf_paths,
    natural_key,
    path_name,
    tree_add,
    tree_all_finite,
    tree_dot,
    tree_map,
    tree_norm,
    tree_scale,
    tree_size,
    tree_sub,
)

EPS = np.finfo(np.float32).eps
ENTRIES = st.floats(-100, 100, width=32, allow_subnormal=False)
TREES = st.lists(ENTRIES, min_size=9, max_size=9).map(
    lambda x: {"b": jnp.asarray(x[:3], jnp.float32), "w": [jnp.asarray(x[3:], jnp.float32).reshape(2, 3)]}
)
SCALES = st.floats(-8, 8, width=32, allow_subnormal=False)
fixed = settings(max_examples=40, deadline=None, derandomize=True, database=None)


class Layer(NamedTuple):
    weight: jax.Array
    bias: jax.Array


def flat(tree):
    return np.concatenate([np.asarray(x, np.float64).ravel() for x in jax.tree.leaves(tree)])


@fixed
@given(a=TREES, b=TREES)
def test_adding_commutes_and_subtracting_undoes_it(a, b):
    chex.assert_trees_all_equal(tree_add(a, b), tree_add(b, a), strict=True)
    chex.assert_trees_all_equal(tree_sub(a, b), tree_add(a, tree_scale(-1.0, b)), strict=True)
    np.testing.assert_allclose(flat(tree_sub(tree_add(a, b), b)), flat(a), rtol=0, atol=2 * EPS * 200)


@fixed
@given(a=TREES, b=TREES, s=SCALES)
def test_scaling_distributes_over_a_sum(a, b, s):
    left, right = tree_scale(s, tree_add(a, b)), tree_add(tree_scale(s, a), tree_scale(s, b))
    np.testing.assert_allclose(flat(left), flat(right), rtol=0, atol=4 * EPS * 8 * 200)


@fixed
@given(a=TREES, b=TREES, c=TREES, s=SCALES)
def test_the_dot_product_is_symmetric_and_linear(a, b, c, s):
    assert tree_dot(a, b) == tree_dot(b, a)
    left = tree_dot(tree_add(tree_scale(s, a), b), c)
    np.testing.assert_allclose(left, s * tree_dot(a, c) + tree_dot(b, c), rtol=0, atol=16 * EPS * 9 * 900 * 100)
    np.testing.assert_allclose(tree_dot(a, b), flat(a) @ flat(b), rtol=0, atol=9 * EPS * 9 * 100**2)


@fixed
@given(a=TREES, b=TREES, s=SCALES)
def test_the_norm_is_a_norm(a, b, s):
    np.testing.assert_allclose(tree_norm(a), np.linalg.norm(flat(a)), rtol=8 * EPS, atol=1e-18)
    np.testing.assert_allclose(tree_norm(tree_scale(s, a)), abs(s) * tree_norm(a), rtol=8 * EPS, atol=1e-18)
    assert tree_norm(tree_add(a, b)) <= (tree_norm(a) + tree_norm(b)) * (1 + 8 * EPS)
    assert abs(tree_dot(a, b)) <= tree_norm(a) * tree_norm(b) * (1 + 8 * EPS) + 1e-18


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(("dtype", "wide"), [("bfloat16", "float32"), ("float16", "float32"), ("float32", "float32")])
def test_sums_are_taken_in_float32_and_scaling_keeps_the_dtype(dtype, wide, x64):
    with jax.enable_x64(x64):
        tree = {"w": jnp.full((64, 64), 300.0, dtype)}  # its square overflows float16
        assert tree_norm(tree) == 300.0 * 64
        assert tree_dot(tree, tree) == (300.0 * 64) ** 2
        assert tree_norm(tree).dtype == tree_dot(tree, tree).dtype == jnp.dtype(wide)
        assert tree_scale(0.5, tree)["w"].dtype == jnp.dtype(dtype)
        assert tree_scale(jnp.float32(0.5), tree)["w"].dtype == jnp.dtype(dtype)


def test_the_norm_of_a_zero_tree_has_derivative_zero():
    zero = {"b": jnp.zeros(2), "w": jnp.zeros((2, 2))}
    chex.assert_trees_all_equal(jax.grad(tree_norm)(zero), zero, strict=True)
    unit = jax.grad(tree_norm)({"w": jnp.asarray([3.0, 4.0])})
    np.testing.assert_allclose(unit["w"], [0.6, 0.8], rtol=4 * EPS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_entry_that_is_not_finite_is_found(bad):
    tree = {"b": jnp.zeros(3), "w": jnp.zeros((2, 2))}
    assert tree_all_finite(tree)
    assert not tree_all_finite({**tree, "b": tree["b"].at[2].set(bad)})
    assert jax.jit(tree_all_finite)(tree).shape == ()


def test_size_and_paths_follow_the_leaves():
    tree = {"layers": [Layer(jnp.ones((2, 3)), jnp.ones(3)), Layer(jnp.ones((3, 1)), jnp.ones(()))]}
    assert tree_size(tree) == 6 + 3 + 3 + 1
    assert leaf_paths(tree) == ["layers/0/weight", "layers/0/bias", "layers/1/weight", "layers/1/bias"]
    assert leaf_paths(jnp.ones(3)) == ["(the tree itself)"]
    assert path_name(()) == "(the tree itself)"


def test_layers_sort_by_number():
    names = ["layer_10/w", "layer_2/w", "layer_2/b", "head", "layer_1/w"]
    assert sorted(names, key=natural_key) == ["head", "layer_1/w", "layer_2/b", "layer_2/w", "layer_10/w"]


def test_the_same_function_maps_over_several_trees():
    out = tree_map(lambda x, y: x * y, {"a": jnp.full(2, 3.0)}, {"a": jnp.full(2, 5.0)})
    np.testing.assert_array_equal(out["a"], np.full(2, 15.0, np.float32))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_applied_updates_keep_the_parameters_dtype(dtype):
    params = {"w": jnp.ones(3, dtype)}
    after = apply_updates(params, {"w": jnp.full(3, 0.5, jnp.float32)})
    assert after["w"].dtype == dtype
    np.testing.assert_array_equal(after["w"].astype(jnp.float32), np.full(3, 1.5, np.float32))


A = {"layer": {"b": jnp.ones(3), "w": jnp.ones((2, 3))}}
OTHER_SHAPE = {"layer": {"b": jnp.ones((3, 1)), "w": jnp.ones((2, 3))}}
MISSING = {"layer": {"b": jnp.ones(3)}}
EXTRA = {"layer": {"b": jnp.ones(3), "v": jnp.ones(1), "w": jnp.ones((2, 3))}}
WRONG = [
    (
        lambda: tree_add(A, OTHER_SHAPE),
        "tree_add needs tree 1 and tree 2 of one shape, and at 'layer/b' was given (3,) and (3, 1)",
    ),
    (
        lambda: tree_sub(A, MISSING),
        "tree_sub needs tree 1 and tree 2 alike, and 'layer/w' is in tree 1 but not in tree 2",
    ),
    (
        lambda: tree_dot(A, EXTRA),
        "tree_dot needs tree 1 and tree 2 alike, and 'layer/v' is in tree 2 but not in tree 1",
    ),
    (
        lambda: tree_map(jnp.add, [jnp.ones(1)], (jnp.ones(1),), who="f"),
        "f needs tree 1 and tree 2 alike, and their containers",
    ),
    (lambda: apply_updates(A, OTHER_SHAPE), "apply_updates needs params and updates of one shape, and at 'layer/b'"),
    (lambda: apply_updates(jnp.ones(3), jnp.ones(1)), "and at '(the tree itself)' was given (3,) and (1,)"),
    (lambda: check_alike("f", this=A, that=A, other=MISSING), "f needs this and other alike"),
    (lambda: check_params({}, "f"), "f needs at least one array among the parameters, and was given {}"),
    (
        lambda: check_params({"n": [jnp.arange(3)]}, "f"),
        "f needs real floating-point parameters, and was given int32 at 'n/0'",
    ),
    (lambda: check_params({"z": 1j * jnp.ones(2)}, "f"), "was given complex64 at 'z'"),
    (lambda: check_params({"s": "text"}, "f"), "was given str at 's'"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_an_error_names_the_caller_and_the_leaf(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_a_tree_that_differs_in_shape_alone_passes_where_shapes_are_not_asked_for():
    check_alike("f", shapes=False, this=A, that=OTHER_SHAPE)
    check_params(A, "f")


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all():
    assert str(did_you_mean("rules", "adm", ["adam", "sgd"])) == "rules knows no 'adm'. Did you mean 'adam'?"
    assert str(did_you_mean("rules", "zzz", ["sgd", "adam"])) == "rules knows no 'zzz'. Known: adam, sgd."
    assert isinstance(did_you_mean("rules", 3, ["adam"]), ValueError)


def test_the_package_offers_the_update_that_applies_them():
    assert gd.apply_updates is apply_updates
