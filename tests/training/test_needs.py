"""`train` gives a rule what it needs beyond gradients without being told, wherever the rule stands."""

from functools import cache, partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc import rules
from gdfunc.core import TreeRule, rule
from gdfunc.rules import SGD

random = np.random.default_rng(0)
X = random.normal(size=(16, 3)).astype(np.float32)
DATA = {"x": X, "y": np.sin(X @ np.array([1.0, -2.0, 0.5], np.float32))}
PARAMS = {"b": np.float32(0.3), "w": np.array([0.2, -0.1, 0.4], np.float32)}
STEPS, BATCH, KEY = 4, 4, 3


def loss_fn(params, batch):
    """Neither quadratic nor separable."""
    return jnp.mean((jnp.tanh(batch["x"] @ params["w"] + params["b"]) - batch["y"]) ** 2)


def train(rule, params=PARAMS, loss=loss_fn, **more):
    # The data's own order, so that a loop by hand knows each batch.
    options = {"steps": STEPS, "batch_size": BATCH, "order": "sequential", "key": KEY, **more}
    return gd.train(loss, params, DATA, rule, **options)


def needy(record):
    """The record's rule at the setting that needs most."""
    return max(
        (record.make(**settings) for settings in record.settings), key=lambda made: len(getattr(made, "needs", ()))
    )


MADE = {name: needy(record) for name, record in rules.records().items()}
NEEDY = {
    name: made
    for name, made in MADE.items()
    if isinstance(made, TreeRule) or set(getattr(made, "needs", ())) - {"params"}
}
every_needy_rule = pytest.mark.parametrize("name", NEEDY)


@cache
def alone(name):
    return train(NEEDY[name])


@cache
def on_one_leaf(name):
    """The run on w alone, b being a constant of the loss."""
    return train(NEEDY[name], {"w": PARAMS["w"]}, w_loss)


def w_loss(params, batch):
    return loss_fn({**params, "b": PARAMS["b"]}, batch)


def assert_same(seen, wanted):
    """The same run but for the order of operations in another program."""
    chex.assert_tree_all_finite(seen)
    chex.assert_trees_all_close(seen, wanted, rtol=1e-4, atol=1e-6)


@every_needy_rule
def test_alone(name):
    run = alone(name)
    chex.assert_tree_all_finite(run.params)
    assert all(np.any(a != b) for a, b in zip(jax.tree.leaves(run.params), jax.tree.leaves(PARAMS), strict=True))


@pytest.mark.parametrize("name", [name for name in NEEDY if "key" not in NEEDY[name].needs])
def test_what_it_is_given_is_the_loss_of_the_batch(name):
    made, params = NEEDY[name], jax.tree.map(jnp.asarray, PARAMS)
    state = made.init(params)
    for t in range(STEPS):
        batch = {k: jnp.asarray(v[t * BATCH : (t + 1) * BATCH]) for k, v in DATA.items()}
        on_batch = partial(lambda batch, p: loss_fn(p, batch), batch)
        value, grads = jax.value_and_grad(on_batch)(params)
        examples = jax.vmap(lambda row, p=params: jax.grad(loss_fn)(p, jax.tree.map(lambda x: x[None], row)))(batch)
        known = {
            "value": value,
            "value_fn": on_batch,
            "grad_fn": jax.grad(on_batch),
            "per_example_grads": examples,
            "grad": grads,
            "obj_fn": on_batch,
        }
        updates, state = made.update(grads, state, params, **known)
        params = gd.apply_updates(params, updates)
    assert_same(alone(name).params, params)


@every_needy_rule
def test_in_a_chain(name):
    chained = train(gd.chain(optax.identity(), NEEDY[name], optax.scale(1.0)))
    assert_same(chained.params, alone(name).params)


@every_needy_rule
def test_in_a_mask_it_is_given_functions_of_its_own_leaves(name):
    keep = {"b": False, "w": True}
    rest = {"b": True, "w": False}
    # What passes by the first mask is a gradient, and the second stops it.
    run = train(gd.chain(gd.masked(NEEDY[name], keep), gd.masked(SGD(0.0), rest)))
    assert_same(run.params, {"b": PARAMS["b"], "w": on_one_leaf(name).params["w"]})


@every_needy_rule
def test_by_path_it_is_given_functions_of_its_own_leaves(name):
    run = train(gd.by_path({"w": NEEDY[name], "b": None}))
    assert_same(run.params, {"b": PARAMS["b"], "w": on_one_leaf(name).params["w"]})


# ------------------------------------------------------------------------------------------------ each thing by itself


@rule
class Witness(TreeRule):
    """Keeps what it was given at the last step, and descends."""

    learning_rate: gd.core.Rate = 0.1

    needs = ("params", "value", "value_fn", "grad_fn", "key", "per_example_grads")

    class Memory(NamedTuple):
        value: Any
        value_there: Any
        grads: Any
        grads_there: Any
        mean_of_examples: Any
        bits: Any

    def start(self, params):
        zeros = lambda: jax.tree.map(jnp.zeros_like, params)  # noqa: E731
        return self.Memory(jnp.zeros(()), jnp.zeros(()), zeros(), zeros(), zeros(), jnp.zeros((2,), jnp.uint32))

    def step(self, grads, memory, params, t, value, value_fn, grad_fn, key, per_example_grads):
        mean = jax.tree.map(lambda g: jnp.mean(g, axis=0), per_example_grads)
        seen = self.Memory(value, value_fn(params), grads, grad_fn(params), mean, jax.random.key_data(key))
        return jax.tree.map(lambda g: -self.learning_rate * g, grads), seen


def witness_memories(run, many):
    """The memories of the witnesses in a state, however deep."""
    found = [x for x in jax.tree.leaves(run.state, is_leaf=is_memory) if is_memory(x)]
    assert len(found) == many
    return found


def is_memory(x):
    return isinstance(x, Witness.Memory)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    "place",
    [
        lambda w: w,
        lambda w: gd.chain(optax.identity(), w),
        lambda w: gd.masked(w, {"b": False, "w": True}),
        lambda w: gd.by_path({"w": w, "*": SGD(0.1)}),
    ],
    ids=["alone", "chain", "masked", "by_path"],
)
def test_values_gradients_and_examples_belong_to_one_batch(place, accumulate):
    run = train(place(Witness()), accumulate=accumulate)
    (seen,) = witness_memories(run, 1)
    assert float(seen.value) > 0
    chex.assert_trees_all_close(seen.value, seen.value_there, rtol=1e-6)
    chex.assert_trees_all_close(seen.grads, seen.grads_there, rtol=1e-5, atol=1e-7)
    chex.assert_trees_all_close(seen.grads, seen.mean_of_examples, rtol=1e-5, atol=1e-7)


def test_the_key_is_another_one_at_every_step_and_in_every_run_and_the_same_in_the_same_run():
    bits = lambda **options: tuple(np.asarray(witness_memories(train(Witness(), **options), 1)[0].bits))  # noqa: E731
    keys = [bits(steps=1), bits(steps=2), bits(steps=3), bits(steps=1, key=4)]
    assert len(set(keys)) == 4
    assert bits(steps=2) == keys[1]


def test_a_run_with_random_numbers_goes_on_as_if_it_had_not_stopped():
    whole, half = train(NEEDY["noisy_sgd"]), train(NEEDY["noisy_sgd"], steps=STEPS // 2)
    again = gd.train(
        loss_fn, half, DATA, NEEDY["noisy_sgd"], steps=STEPS - STEPS // 2, batch_size=BATCH, order="sequential"
    )
    chex.assert_trees_all_equal(again.params, whole.params)


def test_what_costs_work_is_computed_only_where_it_is_asked_for():
    calls = []

    def counted(params, batch):
        calls.append(jnp.shape(batch["x"]))
        return loss_fn(params, batch)

    train(SGD(0.1), loss=counted)
    assert {shape[0] for shape in calls} == {BATCH}
    calls.clear()
    train(gd.chain(optax.identity(), Witness()), loss=counted)
    assert {shape[0] for shape in calls} == {BATCH, 1}  # one example at a time, too
