"""From a formula on one array, or on one tree, to a rule over trees; and what it says to wrong input."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import gdfunc as gd
from gdfunc.core import ArrayRule, Rate, RuleState, TreeRule, check_params, rule, tree_norm
from gdfunc.rules import SGD, Adam, AdamW, AMSGrad, Lion, RMSprop, Rprop, Signum

P = {"layers": [{"w": jnp.ones((2, 3)), "b": jnp.zeros(3)}], "scale": jnp.ones(())}


@rule
class Normalized(TreeRule):
    """A step of one length in the direction of the whole gradient's running sum."""

    learning_rate: Rate

    needs = ("value",)

    class Memory(NamedTuple):
        total: dict
        steps: Array

    def start(self, params):
        return self.Memory(jax.tree.map(jnp.zeros_like, params), jnp.zeros(()))

    def step(self, grads, memory, params, t, value):
        total = jax.tree.map(jnp.add, memory.total, grads)
        scale = -self.learning_rate * value / tree_norm(total)
        return jax.tree.map(lambda x: scale * x, total), self.Memory(total, memory.steps + 1)


@rule
class Broken(ArrayRule):
    def step(self, g, memory, p, t):
        return jnp.sum(g), memory


@rule
class BrokenTree(TreeRule):
    def step(self, grads, memory, params, t):
        return {"other": grads["layers"][0]["b"]}, memory


def refuses(message):
    return pytest.raises(ValueError, match=message)


@pytest.mark.parametrize("tree", [{}, None, [], {"a": None}])
def test_a_tree_without_arrays_is_refused(tree):
    with refuses("Adam.init needs at least one array among the parameters"):
        Adam(0.1).init(tree)


@pytest.mark.parametrize(
    ("leaf", "named"),
    [
        (jnp.ones(2, int), "int32"),
        (jnp.ones(2) * 1j, "complex64"),
        (jnp.array([True]), "bool"),
        ("text", "str"),
        (3, "int32"),
    ],
)
def test_a_leaf_that_is_no_real_floating_point_array_is_named(leaf, named):
    with refuses(f"Adam.init needs real floating-point parameters, and was given {named} at 'layers/0/w'"):
        Adam(0.1).init({"layers": [{"b": jnp.ones(2), "w": leaf}]})


def test_a_gradient_that_is_no_real_floating_point_array_is_named():
    with refuses("SGD.update needs real floating-point .* int32 at 'x'"):
        SGD(0.1).update({"x": jnp.ones(2, int)}, SGD(0.1).init({"x": jnp.ones(2)}))


@pytest.mark.parametrize("make", [Adam, AMSGrad, Rprop, Signum, Lion])
def test_a_gradient_of_another_shape_is_named_and_never_broadcast(make):
    rule = make(0.1)
    state = rule.init(P)
    for shape in ((1,), (4,), (1, 3), ()):
        g = {"layers": [{"w": P["layers"][0]["w"], "b": jnp.ones(shape)}], "scale": P["scale"]}
        with refuses(f"{make.__name__}.update needs .*'layers/0/b'"):
            rule.update(g, state)
        with refuses(f"{make.__name__}.update needs gradients and parameters of one shape, and at 'layers/0/b'"):
            rule.update(g, state, P)


def test_trees_that_differ_are_told_by_the_leaf():
    rule = Adam(0.1)
    with refuses("Adam.update needs gradients and memory.m alike, and 'scale' is in memory.m but not in gradients"):
        rule.update({"layers": P["layers"]}, rule.init(P))
    with refuses("Adam.update needs gradients and parameters alike, and 'more' is in parameters but not in gradients"):
        rule.update(P, rule.init(P), {**P, "more": jnp.ones(1)})
    with refuses("their containers differ"):
        rule.update({**P, "layers": tuple(P["layers"])}, rule.init(P), P)


@pytest.mark.parametrize("state", [None, (), {}, 3, (jnp.int32(0), ())])
def test_a_state_that_is_none_of_ours_is_refused(state):
    with refuses("Adam.update needs the state that its init or last update returned, and was given"):
        Adam(0.1).update(P, state)


@pytest.mark.parametrize(
    ("rule", "other"),
    [
        (Adam(0.1), SGD(0.1)),
        (Adam(0.1), SGD(0.1, 0.9)),
        (SGD(0.1), Adam(0.1)),
        (SGD(0.1, 0.9), SGD(0.1)),
        (AMSGrad(0.1), Adam(0.1)),
        (Signum(0.1), Lion(0.1)),
        (RMSprop(0.1, centered=True), RMSprop(0.1)),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_the_state_of_another_rule_is_refused(rule, other):
    with refuses(f"{type(rule).__name__}.update needs the state that its init"):
        rule.update(P, other.init(P))


def test_missing_params_are_asked_for():
    with refuses("AdamW.update needs params=..., and was not given it"):
        AdamW(0.1).update(P, AdamW(0.1).init(P))


def test_an_array_of_rates_points_to_vmap():
    with refuses(r"SGD.update needs learning_rate to be one number, and was given shape \(2,\): map .*gd.in_axes"):
        SGD(jnp.ones(2)).update(P, SGD(0.1).init(P))
    with refuses("SGD.update needs learning_rate to be one number"):
        SGD(lambda step: jnp.ones(3)).update(P, SGD(0.1).init(P))


def test_an_array_of_rates_is_refused_by_init_too():
    with refuses("Rprop.init needs learning_rate to be one number"):
        Rprop(jnp.full(3, 0.1)).init({"x": jnp.ones(3)})


def test_an_update_or_memory_that_changes_shape_is_the_rules_own_mistake_and_named():
    with refuses(r"Broken.update needs the update at 'x' to keep its shape \(2,\), and it came out as \(\)"):
        Broken().update({"x": jnp.ones(2)}, Broken().init({"x": jnp.ones(2)}))
    with refuses("BrokenTree.update needs .*alike, and"):
        BrokenTree().update(P, BrokenTree().init(P))


def test_a_tree_rule_sees_the_whole_tree_and_is_given_what_it_needs():
    rule = Normalized(0.5)
    state = rule.init(P)
    updates, state = rule.update(P, state, value=2.0, other="ignored")
    np.testing.assert_allclose(tree_norm(updates), 1.0, rtol=1e-6)
    assert int(state.step) == 1
    assert float(state.memory.steps) == 1
    with refuses("Normalized.update needs value=..., and was not given it"):
        rule.update(P, state)


@pytest.mark.parametrize(("dtype", "kept"), [("float16", "float32"), ("bfloat16", "bfloat16")])
def test_a_tree_rule_keeps_16_bits_where_their_range_allows_it_and_counts_in_32(dtype, kept):
    p = {"x": jnp.ones(3, dtype)}
    state = Normalized(0.5).init(p)
    updates, after = Normalized(0.5).update(p, state, value=1.0)
    assert updates["x"].dtype == jnp.dtype(dtype)
    assert after.memory.total["x"].dtype == state.memory.total["x"].dtype == jnp.dtype(kept)
    assert after.memory.steps.dtype == state.memory.steps.dtype == jnp.float32


def test_a_float16_memory_keeps_the_square_of_a_small_gradient():
    g = jnp.full(3, 1e-4, jnp.float16)  # squared 1e-8, which float16 would store as 0
    updates, state = Adam(0.1).update(g, Adam(0.1).init(g), g)
    assert state.memory.v.dtype == jnp.float32
    updates, _ = Adam(0.1).update(g, state, g)
    np.testing.assert_allclose(np.asarray(updates, np.float64), -0.1, rtol=2e-3)


def test_any_pytree_will_do_and_a_bare_array_too():
    for tree in (jnp.ones(3), [jnp.ones(3), (jnp.ones(2),)], {"a": {"b": jnp.ones(())}, "none": None}):
        updates, state = Adam(0.1).update(tree, Adam(0.1).init(tree))
        assert jax.tree.structure(updates) == jax.tree.structure(tree)
        assert jax.tree.structure(state.memory.m) == jax.tree.structure(tree)
    with refuses("was given complex64 at '.the tree itself.'"):
        check_params(jnp.ones(2) * 1j, "here")


def test_numpy_arrays_and_python_floats_are_taken_as_parameters():
    p = {"x": np.ones(3, np.float32), "y": 0.5}
    updates, state = Adam(0.1).update(p, Adam(0.1).init(p), p)
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves((updates, state)))
    new = gd.apply_updates(p, updates)
    assert new["x"].shape == (3,)


def test_a_memory_field_is_an_array_of_its_own():
    memory = AMSGrad(0.1).init({"x": jnp.ones(3)}).memory
    assert len({leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(memory)}) == 3


def test_the_steps_are_counted_from_one_in_the_formula():
    seen = []

    class Watching(SGD):
        def step(self, g, memory, p, t):
            seen.append(int(t))
            return super().step(g, memory, p, t)

    rule, g = Watching(0.1), {"x": jnp.ones(1), "y": jnp.ones(2)}
    state = rule.init(g)
    assert isinstance(state, RuleState)
    for _ in range(2):
        _, state = rule.update(g, state)
    assert seen == [1, 1, 2, 2]
    assert int(state.step) == 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_scalar_parameter_has_the_memory_of_a_vector_of_one(dtype):
    rule = gd.rules.NAdam(0.1)
    scalar, vector = (rule.init({"x": jnp.ones(shape, dtype)}).memory.product["x"] for shape in ((), (1,)))
    assert scalar.dtype == vector.dtype
