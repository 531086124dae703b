"""The clippings: their laws, their edges, their place in a chain, their records."""

import inspect
import re
from functools import cache, partial
from importlib import import_module

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _numbers import normal
from hypothesis import given, settings, strategies as st

import gdfunc as gd
from gdfunc.clipping import (
    AdaptiveClip,
    ClipByBlockRMS,
    ClipByGlobalNorm,
    ClipByLeafNorm,
    ClipByValue,
    ZeroNonFinite,
    adaptive_clip,
    clip_by_block_rms,
    clip_by_global_norm,
    clip_by_leaf_norm,
    clip_by_value,
)
from gdfunc.clipping._records import apply
from gdfunc.core import safe_norm, tree_dot, tree_norm
from gdfunc.rules import Adam

MODES = [("float32", False), ("float32", True), ("float64", True)]
ROUNDING = 8  # in eps of the leaf's largest entry: a sum of 130 squares, a root, a quotient and a product
RECORDS = gd.clipping.records()
CASES = [(name, setting) for name, record in RECORDS.items() for setting in record.settings]
CASE_NAMES = [f"{name} {setting}" for name, setting in CASES]

# Each rule at a limit c, with the norm per leaf (or of the tree) that it bounds.
BY_NORM = {
    "value": (ClipByValue, lambda tree: jax.tree.map(lambda g: jnp.max(jnp.abs(g)), tree)),
    "global": (ClipByGlobalNorm, lambda tree: {"all": tree_norm(tree)}),
    "leaf": (ClipByLeafNorm, lambda tree: jax.tree.map(safe_norm, tree)),
    "rms": (ClipByBlockRMS, lambda tree: jax.tree.map(lambda g: jnp.sqrt(jnp.mean(g**2)), tree)),
}
ENTRIES = st.floats(-100, 100, width=32, allow_subnormal=False)
LIMITS = st.floats(0.125, 50, width=32)
TREES = st.lists(ENTRIES, min_size=9, max_size=9).map(
    lambda x: {"b": jnp.asarray(x[:3], jnp.float32), "w": jnp.asarray(x[3:], jnp.float32).reshape(2, 3)}
)
fixed = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def a_tree(seed=0, scale=1.0, dtype=jnp.float32):
    tree = {"b": normal(2 * seed, 5), "w": normal(2 * seed + 1, 4, 5)}
    return jax.tree.map(lambda x: (scale * x).astype(dtype), tree)


def once(rule, grads, params=None):
    return rule.update(grads, rule.init(grads), params)[0]


def worst_error(ours, theirs, eps):
    """In rounding errors of the leaf's largest value."""
    assert set(ours) == set(theirs)
    worst = 0.0
    for name in ours:
        a, b = np.asarray(ours[name], np.float64), np.asarray(theirs[name], np.float64)
        assert a.shape == b.shape
        assert np.all(np.isfinite(a))
        assert np.all(np.isfinite(b))
        worst = max(worst, np.max(np.abs(a - b)) / max(np.max(np.abs(b)), np.finfo(np.float64).tiny) / eps)
    return worst


# Records.


@cache
def prepared(case, dtype, x64):
    name, setting = CASES[case]
    record = RECORDS[name]
    example = record.example(np.random.default_rng(0), dtype)
    return record, setting, example, apply(gd.clipping.get(name, **setting), *jax.tree.map(jnp.asarray, example))


@pytest.mark.parametrize(("dtype", "x64"), MODES)
@pytest.mark.parametrize("case", range(len(CASES)), ids=CASE_NAMES)
def test_a_clipping_is_its_papers_formula(case, dtype, x64):
    with jax.enable_x64(x64):
        record, setting, example, ours = prepared(case, dtype, x64)
        assert {x.dtype for x in jax.tree.leaves(ours)} == {jnp.dtype(dtype)}
        assert worst_error(ours, record.transcription(*example, **setting), np.finfo(dtype).eps) <= ROUNDING


@pytest.mark.parametrize(("dtype", "x64"), MODES)
@pytest.mark.parametrize("case", range(len(CASES)), ids=CASE_NAMES)
def test_a_clipping_agrees_with_its_twins_or_says_why_there_is_none(case, dtype, x64):
    with jax.enable_x64(x64):
        record, setting, example, ours = prepared(case, dtype, x64)
        signature = inspect.signature(record.make).parameters.values()
        every = {p.name: p.default for p in signature if p.name != "grads"} | dict(setting)
        for twin in record.twins:
            arguments = twin.arguments(**every)
            if isinstance(arguments, str) or twin.library == "torch":
                continue
            module, _, attribute = twin.name.rpartition(".")
            theirs = twin.call(
                getattr(import_module(module), attribute), *jax.tree.map(jnp.asarray, example), **arguments
            )
            assert worst_error(ours, theirs, np.finfo(dtype).eps) <= ROUNDING


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_covers_every_argument_and_every_library(name):
    record = RECORDS[name]
    parameters = {k: p.default for k, p in inspect.signature(record.make).parameters.items() if k != "grads"}
    moved = {k for setting in record.settings for k, v in setting.items() if v != parameters[k]}
    assert moved == set(parameters)
    assert set(record.arguments) >= set(parameters)
    assert record.formula
    for library in ("optax", "torch"):
        assert (record.twin(library) is None) == (library in record.no_twin)
    for setting in record.settings:
        for twin in record.twins:
            assert isinstance(twin.arguments(**{**parameters, **setting}), (dict, str))


# Laws.


@pytest.mark.parametrize("kind", BY_NORM)
@fixed
@given(grads=TREES, limit=LIMITS)
def test_the_norm_after_clipping_is_at_most_the_limit(kind, grads, limit):
    make, norms = BY_NORM[kind]
    after = norms(once(make(limit), grads))
    for norm in jax.tree.leaves(after):
        assert norm <= limit * (1 + ROUNDING * np.finfo(np.float32).eps)


@pytest.mark.parametrize("kind", BY_NORM)
@fixed
@given(grads=TREES, limit=LIMITS)
def test_a_leaf_within_the_limit_is_left_bit_for_bit_and_one_beyond_it_lands_on_it(kind, grads, limit):
    make, norms = BY_NORM[kind]
    clipped = once(make(limit), grads)
    before, after = norms(grads), norms(clipped)
    for name in before:
        if before[name] <= limit:
            for leaf in grads if name == "all" else [name]:
                np.testing.assert_array_equal(clipped[leaf], grads[leaf])
        else:
            assert abs(after[name] / limit - 1) < ROUNDING * np.finfo(np.float32).eps


@pytest.mark.parametrize("kind", ["global", "leaf", "rms"])
@fixed
@given(grads=TREES, limit=LIMITS)
def test_clipping_by_a_norm_keeps_the_direction(kind, grads, limit):
    clipped = once(BY_NORM[kind][0](limit), grads)
    pairs = [(grads, clipped)] if kind == "global" else [({k: grads[k]}, {k: clipped[k]}) for k in grads]
    for g, c in pairs:
        lengths = float(tree_norm(g)) * float(tree_norm(c))
        assert abs(float(tree_dot(g, c)) - lengths) <= ROUNDING * np.finfo(np.float32).eps * max(lengths, 1e-30)


@pytest.mark.parametrize("kind", BY_NORM)
@fixed
@given(grads=TREES, limit=LIMITS)
def test_clipping_twice_is_clipping_once(kind, grads, limit):
    rule = BY_NORM[kind][0](limit)
    one = once(rule, grads)
    two = once(rule, one)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=ROUNDING * np.finfo(np.float32).eps, atol=0)


@fixed
@given(grads=TREES, limit=LIMITS, scale=st.sampled_from([0.25, 2.0, 1024.0]))
def test_clipping_by_the_global_norm_scales_with_its_units(grads, limit, scale):
    scaled = once(ClipByGlobalNorm(scale * limit), jax.tree.map(lambda g: scale * g, grads))
    for name, g in once(ClipByGlobalNorm(limit), grads).items():
        np.testing.assert_allclose(scaled[name], scale * g, rtol=4 * np.finfo(np.float32).eps, atol=0)


@fixed
@given(grads=TREES, params=TREES, ratio=st.floats(0.01, 2))
def test_adaptive_clipping_bounds_every_units_gradient_by_its_weights(grads, params, ratio):
    clipped = once(AdaptiveClip(ratio), grads, params)
    for g, p in ((clipped["w"].T, params["w"].T), (clipped["b"][None], params["b"][None])):
        most = ratio * np.maximum(np.linalg.norm(p, axis=1), 1e-3)
        assert np.all(np.linalg.norm(g, axis=1) <= most * (1 + ROUNDING * np.finfo(np.float32).eps))


# Functions and the norm that is kept.

FUNCTIONS = [
    (clip_by_value, ClipByValue, False, lambda g: np.max(np.abs(g))),
    (clip_by_leaf_norm, ClipByLeafNorm, False, np.linalg.norm),
    (clip_by_block_rms, ClipByBlockRMS, False, lambda g: np.sqrt(np.mean(g**2))),
    (adaptive_clip, AdaptiveClip, True, lambda g: np.linalg.norm(g, axis=0, keepdims=True)),
]


@pytest.mark.parametrize(("function", "make", "with_params", "norm"), FUNCTIONS)
def test_a_function_returns_what_the_rule_does_and_each_leafs_norm_before(function, make, with_params, norm):
    grads, params = a_tree(0, 3.0), a_tree(1)
    clipped, norms = function(grads, *([params] if with_params else []), 0.5)
    chex.assert_trees_all_equal(clipped, once(make(0.5), grads, params if with_params else None), strict=True)
    for name, g in grads.items():
        np.testing.assert_allclose(norms[name], norm(np.asarray(g, np.float64)), rtol=1e-6)


def test_the_global_function_returns_the_norm_before():
    grads = a_tree(0, 3.0)
    clipped, norm = clip_by_global_norm(grads, 0.5)
    chex.assert_trees_all_equal(clipped, once(ClipByGlobalNorm(0.5), grads), strict=True)
    assert norm.shape == ()
    np.testing.assert_allclose(norm, optax.tree.norm(grads), rtol=1e-6)


def test_the_state_holds_the_norm_that_clipping_saw_only_where_it_is_asked_for():
    rule = gd.chain(ClipByGlobalNorm(0.5, keep_norm=True), Adam(0.1))
    params = a_tree()
    state = rule.init(params)
    assert state[0].memory.norm == 0
    for scale in (2.0, 3.0):
        grads = a_tree(3, scale)
        _, state = jax.jit(rule.update)(grads, state, params)
        np.testing.assert_allclose(state[0].memory.norm, tree_norm(grads), rtol=1e-6)
    assert ClipByGlobalNorm(0.5).init(params).memory == ()
    kept = ClipByLeafNorm(0.5, keep_norm=True).init(params).memory.norm
    assert jax.tree.map(jnp.shape, kept) == {"b": (), "w": ()}
    units = AdaptiveClip(0.5, keep_norm=True).init(params).memory.norm
    assert jax.tree.map(jnp.shape, units) == {"b": (1,), "w": (1, 5)}


# Edges.

ALL = [
    ClipByValue(1.0),
    ClipByGlobalNorm(1.0),
    ClipByGlobalNorm(1.0, eps=1e-6),
    ClipByLeafNorm(1.0),
    ClipByBlockRMS(1.0),
    AdaptiveClip(0.1),
    AdaptiveClip(0.1, unit_axis="first"),
    ZeroNonFinite(),
]
WITH_LIMIT = [rule for rule in ALL if jax.tree.leaves(rule)]
KEEPING = [type(rule)(0.5, keep_norm=True) for rule in WITH_LIMIT[:1] + WITH_LIMIT[3:6]] + [
    ClipByGlobalNorm(0.5, keep_norm=True),
    ZeroNonFinite(keep_count=True),
]


@pytest.mark.parametrize("rule", WITH_LIMIT, ids=repr)
def test_a_limit_of_zero_gives_zero_and_never_nan(rule):
    none = jax.tree.map(lambda leaf: 0.0, rule)
    params = a_tree(1)
    for grads in (a_tree(), jax.tree.map(jnp.zeros_like, params)):
        chex.assert_trees_all_equal(once(none, grads, params), jax.tree.map(jnp.zeros_like, params), strict=True)


def test_optax_gives_nan_for_a_zero_gradient_at_a_limit_of_zero():
    # optax pull request 1752; the day that this fails, drop the note from the record.
    zero = {"w": jnp.zeros(3)}
    clip = optax.clip_by_global_norm(0.0)
    assert jnp.all(jnp.isnan(clip.update(zero, clip.init(zero))[0]["w"]))


@pytest.mark.parametrize(("dtype", "x64"), [("bfloat16", False), *MODES])
@pytest.mark.parametrize("rule", ALL + KEEPING, ids=repr)
def test_the_update_and_the_state_keep_their_dtypes(rule, dtype, x64):
    with jax.enable_x64(x64):
        grads, params = a_tree(0, 3.0, dtype), a_tree(1, 1.0, dtype)
        state = rule.init(params)
        step = jax.jit(rule.update)
        clipped, after = step(grads, state, params)
        assert {g.dtype for g in jax.tree.leaves(clipped)} == {jnp.dtype(dtype)}
        chex.assert_tree_all_finite(clipped)
        chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
        step(grads, after, params)
        assert step._cache_size() == 1


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_clipped_by_a_norm_computed_in_float32(dtype):
    # 300**2 and the sum of 4096 squares overflow float16; in bfloat16 the sum would stop growing at 256.
    grads = {"w": jnp.full((64, 64), 300.0, dtype)}
    clipped, norm = clip_by_global_norm(grads, 64.0)
    assert norm.dtype == jnp.float32
    assert norm == 300.0 * 64
    np.testing.assert_array_equal(clipped["w"].astype(jnp.float32), np.ones((64, 64), np.float32))


@pytest.mark.parametrize("zero_grads", [True, False])
@pytest.mark.parametrize("rule", WITH_LIMIT, ids=repr)
def test_hyper_gradients_and_gradients_are_finite(rule, zero_grads):
    params = a_tree(1)
    grads = jax.tree.map(jnp.zeros_like, params) if zero_grads else a_tree(0, 3.0)

    def total(rule, grads, params):
        return sum(jnp.sum(jnp.sin(g)) for g in jax.tree.leaves(once(rule, grads, params)))

    derivatives = jax.grad(total, argnums=(0, 1, 2))(rule, grads, params)
    chex.assert_tree_all_finite(jax.tree.leaves(derivatives))
    if not zero_grads:
        assert any(jnp.any(leaf != 0) for leaf in jax.tree.leaves(derivatives[0]))


def test_the_derivative_of_the_clipped_gradient_is_the_projection_onto_the_sphere():
    # d(c g / |g|) = c / |g| (I - g g' / |g|^2).
    with jax.enable_x64(True):
        g, c = jnp.asarray([3.0, 4.0, 12.0]), 2.0
        jacobian = jax.jacobian(lambda g: once(ClipByGlobalNorm(c), {"g": g})["g"])(g)
        n = 13.0
        np.testing.assert_allclose(jacobian, c / n * (np.eye(3) - np.outer(g, g) / n**2), atol=1e-14)


@pytest.mark.parametrize(
    "make", [ClipByValue, ClipByGlobalNorm, ClipByLeafNorm, ClipByBlockRMS, AdaptiveClip], ids=lambda m: m.__name__
)
def test_a_sweep_over_limits_is_a_loop_over_limits(make):
    limits = jnp.asarray([0.1, 1.0, 100.0])
    grads, params = a_tree(0, 3.0), a_tree(1)
    rules = make(limits)
    swept = jax.vmap(partial(once, grads=grads, params=params), in_axes=(gd.in_axes(rules),))(rules)
    for i, limit in enumerate(limits):
        one = once(make(limit), grads, params)
        chex.assert_trees_all_close(jax.tree.map(lambda x, i=i: x[i], swept), one, rtol=1e-6, strict=True)


def test_changing_a_limit_compiles_nothing():
    grads = a_tree()
    step = jax.jit(once)
    step(ClipByGlobalNorm(1.0), grads)
    step(ClipByGlobalNorm(2.0), grads)
    assert step._cache_size() == 1


def test_a_limit_may_be_a_schedule():
    rule = ClipByValue(lambda step: 1.0 / (step + 1))
    grads = {"w": jnp.full(2, 5.0)}
    state = rule.init(grads)
    for limit in (1.0, 0.5, 1 / 3):
        clipped, state = rule.update(grads, state)
        np.testing.assert_allclose(clipped["w"], np.full(2, limit, np.float32), rtol=1e-6)


def test_a_nan_is_seen_everywhere_after_the_global_norm_and_only_in_its_leaf_after_the_leafs():
    grads = {"b": jnp.ones(2), "w": jnp.asarray([1.0, jnp.nan])}
    whole, norm = clip_by_global_norm(grads, 0.5)
    assert jnp.isnan(norm)
    assert all(jnp.all(jnp.isnan(g)) for g in whole.values())
    by_leaf, norms = clip_by_leaf_norm(grads, 0.5)
    assert jnp.isnan(norms["w"])
    assert jnp.all(jnp.isnan(by_leaf["w"]))
    np.testing.assert_allclose(by_leaf["b"], np.full(2, 0.5 / np.sqrt(2), np.float32), rtol=1e-6)
    by_value, largest = clip_by_value(grads, 0.5)
    assert jnp.isnan(largest["w"])
    np.testing.assert_array_equal(by_value["w"], np.asarray([0.5, np.nan], np.float32))


# Conventions.


def test_pytorchs_epsilon_makes_the_clipped_gradient_smaller_by_epsilon_over_the_norm():
    with jax.enable_x64(True):
        g = {"w": jnp.asarray([1.0, 1.2, 0.4])}
        norm = float(tree_norm(g))
        paper, torch = once(ClipByGlobalNorm(1.0), g)["w"], once(ClipByGlobalNorm(1.0, eps=1e-6), g)["w"]
        np.testing.assert_allclose(paper / torch - 1, np.full(3, 1e-6 / norm), rtol=1e-8)
        assert 6e-7 < 1e-6 / norm < 7e-7
        just_below = once(ClipByGlobalNorm(norm + 5e-7, eps=1e-6), g)["w"]
        assert np.all(just_below < g["w"])
        np.testing.assert_array_equal(once(ClipByGlobalNorm(norm + 5e-7), g)["w"], g["w"])


@pytest.mark.parametrize("shape", [(3, 7), (3, 3, 2, 5)])
def test_only_one_unit_axis_agrees_with_optax_on_a_kernel_that_is_not_square(shape):
    grads, params = ({"w": normal(seed, *shape)} for seed in (0, 1))
    clip = optax.adaptive_grad_clip(0.1)
    theirs = clip.update(grads, clip.init(params), params)[0]["w"]
    ours = {axis: once(AdaptiveClip(0.1, unit_axis=axis), grads, params)["w"] for axis in ("last", "first")}
    scale = np.max(np.abs(theirs))
    assert np.max(np.abs(ours["last"] - theirs)) <= 4 * np.finfo(np.float32).eps * scale
    assert np.max(np.abs(ours["first"] - theirs)) > 0.05 * scale


def test_the_two_unit_axes_are_each_others_transpose():
    grads, params = a_tree(0, 3.0), a_tree(1)
    turn = lambda tree: jax.tree.map(lambda x: x.T, tree)  # noqa: E731
    first = once(AdaptiveClip(0.1, unit_axis="first"), turn(grads), turn(params))
    chex.assert_trees_all_close(turn(first), once(AdaptiveClip(0.1), grads, params), rtol=1e-6, strict=True)


def test_weights_at_zero_move_by_epsilon_at_most():
    grads, params = {"w": jnp.ones((4, 2))}, {"w": jnp.zeros((4, 2))}
    clipped = once(AdaptiveClip(0.5, eps=1e-2), grads, params)["w"]
    np.testing.assert_allclose(jnp.linalg.norm(clipped, axis=0), np.full(2, 0.5 * 1e-2, np.float32), rtol=1e-6)


def test_optax_takes_a_matrix_of_one_row_for_a_single_unit_and_we_take_each_entry_for_one():
    grads, params = {"w": jnp.asarray([[3.0, 4.0]])}, {"w": jnp.asarray([[1.0, 1.0]])}
    clip = optax.adaptive_grad_clip(1.0)
    theirs = clip.update(grads, clip.init(params), params)[0]["w"]
    np.testing.assert_allclose(theirs, np.asarray([[3.0, 4.0]]) * np.sqrt(2) / 5, rtol=1e-6)
    np.testing.assert_allclose(once(AdaptiveClip(1.0), grads, params)["w"], [[1.0, 1.0]], rtol=1e-6)


# In a chain.


@pytest.mark.parametrize("rule", [*WITH_LIMIT, ZeroNonFinite()], ids=repr)
@pytest.mark.parametrize("chain", [gd.chain, optax.chain], ids=["gdfunc", "optax"])
def test_clipping_runs_in_either_chain_before_adam_and_lowers_the_loss(chain, rule):
    # A rule with needs takes the parameters from either chain.
    both = chain(rule, Adam(0.05))
    params = a_tree(2)

    def loss(params):
        return sum(jnp.sum(p**2) for p in jax.tree.leaves(params))

    @jax.jit
    def run(params):
        def body(carry, _):
            params, state = carry
            updates, state = both.update(jax.grad(loss)(params), state, params)
            return (gd.apply_updates(params, updates), state), loss(params)

        return jax.lax.scan(body, (params, both.init(params)), None, length=40)

    (after, _), losses = run(params)
    chex.assert_tree_all_finite(after)
    assert losses[-1] < 0.5 * losses[0]


def test_a_chain_with_our_clipping_and_one_with_optaxs_make_the_same_steps():
    params = a_tree(2)
    ours, theirs = gd.chain(ClipByGlobalNorm(0.5), Adam(0.1)), gd.chain(optax.clip_by_global_norm(0.5), Adam(0.1))
    states = [ours.init(params), theirs.init(params)]
    for seed in range(5):
        grads = a_tree(10 + seed, 2.0)
        mine, states[0] = ours.update(grads, states[0], params)
        other, states[1] = theirs.update(grads, states[1], params)
        for name in mine:
            np.testing.assert_allclose(mine[name], other[name], rtol=0, atol=0.1 * 8 * np.finfo(np.float32).eps)


# Errors.

GRADS = {"w": jnp.ones((2, 3))}
WRONG = [
    (lambda: ClipByGlobalNorm(-1.0), "ClipByGlobalNorm needs max_norm >= 0, and was given max_norm=-1.0"),
    (
        lambda: ClipByGlobalNorm(float("inf")),
        "ClipByGlobalNorm needs max_norm to be finite, and was given max_norm=inf",
    ),
    (lambda: ClipByGlobalNorm(1.0, eps=-1e-6), "ClipByGlobalNorm needs eps >= 0"),
    (lambda: ClipByGlobalNorm(1.0, keep_norm="yes"), "ClipByGlobalNorm needs keep_norm to be True or False"),
    (lambda: ClipByValue(-0.1), "ClipByValue needs max_value >= 0"),
    (lambda: ClipByLeafNorm("1"), "ClipByLeafNorm needs max_norm to be a real number"),
    (lambda: ClipByBlockRMS(float("nan")), "ClipByBlockRMS needs max_rms to be finite"),
    (lambda: AdaptiveClip(0.01, unit_axis="rows"), "AdaptiveClip needs unit_axis to be 'last' or 'first'"),
    (lambda: once(AdaptiveClip(0.01), GRADS), "AdaptiveClip.update needs params=..., and was not given it"),
    (
        lambda: once(AdaptiveClip(0.01), GRADS, {"w": jnp.ones((3, 2))}),
        "AdaptiveClip.update needs gradients and parameters of one shape, and at 'w' was given (2, 3) and (3, 2)",
    ),
    (lambda: clip_by_global_norm({}, 1.0), "ClipByGlobalNorm.init needs at least one array"),
    (
        lambda: clip_by_value({"layer": {"n": jnp.arange(3)}}, 1.0),
        "needs real floating-point parameters, and was given int32 at 'layer/n'",
    ),
    (lambda: clip_by_leaf_norm(GRADS, -1.0), "ClipByLeafNorm needs max_norm >= 0"),
    (lambda: gd.clipping.get("clip_by_norm", max_norm=1.0), "clipping.get knows no 'clip_by_norm'. Did you mean"),
    (
        lambda: gd.clipping.get("clip_by_value"),
        "clipping.get('clip_by_value'): missing a required argument: 'max_value'",
    ),
    (lambda: gd.clipping.get("clip_by_value", c=1.0), "clipping.get('clip_by_value'): "),
    (lambda: gd.clipping.get("clip_per_example", c=1.0), "clipping.get('clip_per_example'): "),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
