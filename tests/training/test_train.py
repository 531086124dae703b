"""`train`: the loop, its arguments and its errors. Data are small arrays made here."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc.core import apply_updates
from gdfunc.rules import Adam
from gdfunc.training import Target
from gdfunc.training._batches import plan_batches

ROWS = 50
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, 3)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5], np.float32) + 0.1 * rng.normal(size=ROWS)).astype(np.float32)
DATA = {"x": X, "y": Y}
PARAMS = {"w": np.zeros(3, np.float32), "b": np.zeros((), np.float32)}
MINI = {"steps": 40, "batch_size": 8, "key": 3}


def loss_fn(params, batch):
    return jnp.mean((batch["x"] @ params["w"] + params["b"] - batch["y"]) ** 2)


train = partial(gd.train, loss_fn, PARAMS, DATA)


def assert_bitwise(a, b):
    chex.assert_trees_all_equal_structs(a, b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        assert x.tobytes() == y.tobytes()


def assert_same_run(a, b):
    assert_bitwise((a.params, a.state), (b.params, b.state))
    for name in ("step", "loss", "grad_norm", "update_norm", "param_norm"):
        assert_bitwise(getattr(a.history, name), getattr(b.history, name))
    assert a.outcome == b.outcome


def by_hand(rule, steps, batch_size, order="shuffle", key=3):
    """The same run as a plain Python loop."""
    batches = plan_batches(jax.tree.map(jnp.asarray, DATA), batch_size, 1, order)
    draw, drawn = jax.jit(batches.draw), batches.start(0)
    params = jax.tree.map(jnp.asarray, PARAMS)
    state, losses = rule.init(params), []
    for step in range(steps):
        batch, drawn = draw(jax.tree.map(jnp.asarray, DATA), jax.random.key(key), drawn, jnp.asarray(step, jnp.int32))
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, state = rule.update(grads, state, params)
        params = apply_updates(params, updates)
        losses.append(float(loss))
    return params, np.array(losses)


@pytest.mark.parametrize("order", ["shuffle", "replace", "sequential"])
@pytest.mark.parametrize("batch_size", [None, 1, 8])
@pytest.mark.parametrize("make", [Adam, optax.adam], ids=["ours", "optax"])
def test_a_run_equals_a_plain_python_loop(make, batch_size, order):
    run = train(make(0.1), steps=30, batch_size=batch_size, order=order, key=3)
    params, losses = by_hand(make(0.1), 30, batch_size, order)
    chex.assert_tree_all_finite(run.params)
    assert run.outcome.code == "steps"
    # 30 steps of a well-conditioned problem: measured 2e-6; 1e-5 leaves room for another machine's dot products.
    np.testing.assert_allclose(run.history.loss, losses, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(run.params, params, rtol=1e-5, atol=1e-6)


def test_the_result_does_not_depend_on_the_chunk():
    runs = [train(Adam(0.1), **MINI, chunk=chunk) for chunk in (1, 7, 40, 1000)]
    for run in runs[1:]:
        assert_same_run(runs[0], run)


def test_one_seed_is_one_run_and_another_seed_is_another():
    assert_same_run(train(Adam(0.1), **MINI), train(Adam(0.1), **MINI))
    other = train(Adam(0.1), **{**MINI, "key": 4})
    assert not np.array_equal(other.history.loss, train(Adam(0.1), **MINI).history.loss)
    for key in (jax.random.key(3), jax.random.PRNGKey(3), np.int64(3)):
        assert_same_run(train(Adam(0.1), **MINI), train(Adam(0.1), **{**MINI, "key": key}))


def test_loss_fn_is_traced_once_for_all_chunks_rates_steps_and_targets():
    traces = []

    def counted(params, batch):
        traces.append(1)
        return loss_fn(params, batch)

    run = partial(gd.train, counted, PARAMS, DATA, batch_size=8, chunk=16)
    first = run(Adam(0.1), steps=40, stop=[Target(0.0)])
    assert len(traces) == 1
    second = run(Adam(0.01, b1=0.5), steps=7, stop=[Target(0.1)])
    assert len(traces) == 1
    # Adam's first update is learning_rate for every parameter: the second run had its own.
    np.testing.assert_allclose([first.history.update_norm[0], second.history.update_norm[0]], [0.2, 0.02], rtol=1e-5)
    run(Adam(0.1, eps_at="inside"), steps=7, stop=[Target(0.1)])
    assert len(traces) == 2  # a convention is another program


def test_weakly_typed_parameters_are_traced_once_and_come_back_strong():
    traces = []

    def counted(params, batch):
        traces.append(1)
        return (params - 1.0) ** 2

    run = gd.train(counted, 0.5, None, Adam(0.1), steps=20, chunk=7)
    gd.train(counted, jnp.array(0.5), None, Adam(0.1), steps=20, chunk=7)
    gd.train(counted, np.float32(0.5), None, Adam(0.1), steps=20, chunk=7)
    assert len(traces) == 1
    assert not run.params.weak_type
    assert run.params.dtype == jnp.float32


def test_the_callers_arrays_are_not_donated():
    params = jax.tree.map(jnp.asarray, PARAMS)
    data = jax.tree.map(jnp.asarray, DATA)
    run = gd.train(loss_fn, params, data, Adam(0.1), steps=10, chunk=3)
    gd.train(loss_fn, run, data, Adam(0.1), steps=10, chunk=3)
    kept = []
    gd.train(loss_fn, params, data, Adam(0.1), steps=10, chunk=3, evaluate=lambda p: kept.append(p) or 0.0)
    chex.assert_tree_all_finite((params, data, run.params, run.state, kept))


def test_a_state_that_holds_the_parameters_themselves_can_be_donated():
    keeps = optax.GradientTransformation(lambda p: p, lambda g, s, p=None: (jax.tree.map(lambda x: -0.1 * x, g), s))
    assert train(keeps, steps=5).outcome.code == "steps"


def test_a_batch_of_all_rows_is_the_full_batch_up_to_the_order():
    full, mini = train(Adam(0.1), steps=20), train(Adam(0.1), steps=20, batch_size=ROWS)
    chex.assert_trees_all_close(full.params, mini.params, rtol=1e-5, atol=1e-6)
    sequential = train(Adam(0.1), steps=20, batch_size=ROWS, order="sequential")
    chex.assert_trees_all_close(full.params, sequential.params, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", ["shuffle", "replace", "sequential"])
def test_accumulation_equals_one_large_batch(order):
    # Under plain descent, which sees the gradient's size; Adam would not.
    large = train(optax.sgd(0.1), steps=20, batch_size=12, order=order)
    small = train(optax.sgd(0.1), steps=20, batch_size=4, accumulate=3, order=order)
    np.testing.assert_allclose(small.history.loss, large.history.loss, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(small.params, large.params, rtol=1e-5, atol=1e-6)
    assert len(small.history) == 20  # steps count updates


def test_a_continued_run_equals_one_run():
    whole = train(Adam(0.1), steps=60, batch_size=8, key=3, measure=lambda p, g, u, b: g["b"], every=7)
    half = train(Adam(0.1), steps=25, batch_size=8, key=3, measure=lambda p, g, u, b: g["b"], every=7)
    both = gd.train(loss_fn, half, DATA, Adam(0.1), steps=35, batch_size=8, measure=lambda p, g, u, b: g["b"], every=7)
    assert_bitwise((whole.params, whole.state), (both.params, both.state))
    assert_bitwise(whole.history.loss, both.history.loss)
    assert both.step == 60
    np.testing.assert_array_equal(both.history.step, np.arange(1, 61))
    np.testing.assert_array_equal(both.history.measured_step, whole.history.measured_step)
    np.testing.assert_array_equal(both.history.measured["value"], whole.history.measured["value"])


def test_a_stopped_run_goes_on_with_the_step_that_was_judged():
    stopped = train(Adam(0.1), **{**MINI, "steps": 200}, stop=[Target(0.5)])
    assert stopped.outcome.code == "target"
    assert len(stopped.history) == stopped.step + 1
    both = gd.train(loss_fn, stopped, DATA, Adam(0.1), steps=60 - stopped.step, batch_size=8)
    whole = train(Adam(0.1), steps=60, batch_size=8, key=3)
    assert_bitwise(both.params, whole.params)
    assert_bitwise(both.history.loss, whole.history.loss)


def test_the_history_holds_what_each_step_saw():
    run = train(optax.sgd(0.1), steps=3)
    params = jax.tree.map(jnp.asarray, PARAMS)
    for t in range(3):
        loss, grads = jax.value_and_grad(loss_fn)(params, DATA)
        g, p = (float(jnp.sqrt(sum(jnp.sum(x**2) for x in jax.tree.leaves(tree)))) for tree in (grads, params))
        row = [getattr(run.history, name)[t] for name in ("step", "loss", "grad_norm", "update_norm", "param_norm")]
        np.testing.assert_allclose(row, [t + 1, loss, g, 0.1 * g, p], rtol=1e-5)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)


def test_measure_is_recorded_at_every_so_many_steps_from_the_first():
    def measure(params, grads, updates, batch):
        return {"w": params["w"], "rows": batch["x"].shape[0], "both": {"g": grads["b"], "u": updates["b"]}}

    all_steps = train(optax.sgd(0.1), **MINI, measure=measure).history
    some = train(optax.sgd(0.1), **MINI, measure=measure, every=7, chunk=5).history
    np.testing.assert_array_equal(some.measured_step, [1, 8, 15, 22, 29, 36])
    assert all_steps.measured["w"].shape == (40, 3)
    assert set(some.measured) == {"w", "rows", "both/g", "both/u"}
    np.testing.assert_array_equal(some.measured["rows"], 8)
    np.testing.assert_allclose(some.measured["w"], all_steps.measured["w"][::7], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(some.measured["both/u"], -0.1 * some.measured["both/g"], rtol=1e-6)


def test_evaluate_is_called_before_between_and_after():
    run = train(Adam(0.1), **MINI, evaluate=lambda p: {"all": loss_fn(p, DATA)}, evaluate_every=15, chunk=4)
    np.testing.assert_array_equal(run.history.evaluated_step, [0, 15, 30, 40])
    losses = run.history.evaluated["all"]
    np.testing.assert_allclose(losses[[0, -1]], [loss_fn(PARAMS, DATA), loss_fn(run.params, DATA)], rtol=1e-6)
    ends = train(Adam(0.1), **MINI, evaluate=lambda p: 1.0, chunk=4).history
    np.testing.assert_array_equal(ends.evaluated_step, [0, 40])
    more = gd.train(loss_fn, run, DATA, Adam(0.1), steps=10, batch_size=8, evaluate=lambda p: {"all": 0.0})
    np.testing.assert_array_equal(more.history.evaluated_step, [0, 15, 30, 40, 50])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_aux_is_recorded_and_averaged_over_accumulated_batches(accumulate):
    def with_aux(params, batch):
        return loss_fn(params, batch), {"mean": jnp.mean(batch["y"])}

    run = gd.train(
        with_aux,
        PARAMS,
        DATA,
        Adam(0.1),
        steps=5,
        batch_size=10,
        accumulate=accumulate,
        has_aux=True,
        order="sequential",
    )
    expected = [np.mean(np.take(Y, np.arange(10 * accumulate) + 10 * accumulate * i, mode="wrap")) for i in range(5)]
    np.testing.assert_allclose(run.history.aux["mean"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make", [lambda: optax.lbfgs(), lambda: optax.polyak_sgd(), lambda: optax.chain(
        optax.sgd(0.1), optax.contrib.reduce_on_plateau()), lambda: optax.add_noise(0.01, 0.5, 0),
        lambda: gd.chain(optax.clip(1.0), Adam(0.1)), lambda: optax.MultiSteps(optax.sgd(0.1), 2)],
    ids=["lbfgs", "polyak_sgd", "reduce_on_plateau", "add_noise", "chain", "MultiSteps"],
)  # fmt: skip
def test_transformations_that_need_the_loss_or_a_line_search_are_given_it(make):
    run = train(make(), steps=12, chunk=5)
    assert run.outcome.code == "steps"
    chex.assert_tree_all_finite(run.params)


def test_lbfgs_works_with_accumulated_batches():
    run = train(optax.lbfgs(), steps=12, batch_size=10, accumulate=5)
    full = train(optax.lbfgs(), steps=12)
    np.testing.assert_allclose(run.history.loss[:5], full.history.loss[:5], rtol=1e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_16_bit_parameters_keep_their_dtype_and_learn(dtype, accumulate):
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), PARAMS)
    data = jax.tree.map(lambda x: jnp.asarray(x, dtype), DATA)
    run = gd.train(loss_fn, params, data, Adam(0.1), steps=60, batch_size=8, accumulate=accumulate)
    chex.assert_tree_all_finite(run.params)
    assert {x.dtype for x in jax.tree.leaves(run.params)} == {jnp.dtype(dtype)}
    assert run.history.loss.dtype == np.float32
    assert run.history.loss[-1] < 0.1 * run.history.loss[0]


@pytest.mark.parametrize("make", [Adam, optax.adam], ids=["ours", "optax"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_x64_leaves_every_dtype_as_it_was(make, dtype):
    with jax.enable_x64(True):
        params, data = (jax.tree.map(lambda x: x.astype(dtype), tree) for tree in (PARAMS, DATA))
        run = gd.train(loss_fn, params, data, make(0.1), steps=40, batch_size=8, chunk=9)
        assert {x.dtype for x in jax.tree.leaves(run.params)} == {np.dtype(dtype)}
        assert run.history.loss.dtype == dtype


def test_strict_rank_promotion_is_respected():
    with jax.numpy_rank_promotion("raise"):
        for order in ("shuffle", "replace", "sequential"):
            gd.train(
                lambda p, b: jnp.sum((p - jnp.mean(b, 0)) ** 2),
                np.zeros(3, np.float32),
                X,
                Adam(0.2),
                steps=3,
                batch_size=4,
                order=order,
                accumulate=2,
                stop=[Target(0.0)],
            )


def test_a_run_says_in_words_what_it_came_to():
    text = repr(train(Adam(0.1), **MINI))
    assert "40 updates of 4 parameters" in text
    assert "made all 40 steps" in text


def test_progress_is_drawn_on_stderr(capsys):
    pytest.importorskip("rich")
    train(Adam(0.1), **MINI, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "40/40" in err


def test_progress_without_rich_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rich.progress", None)
    with pytest.raises(ImportError, match=r"gdfunc\[lab\]"):
        train(Adam(0.1), steps=1, progress=True)


def unhashable():
    class Loss:
        __hash__ = None

        def __call__(self, params, batch):
            return loss_fn(params, batch)

    return Loss()


BAD = {
    "steps_zero": ({"steps": 0}, r"steps to be a whole number >= 1, and was given steps=0"),
    "steps_negative": ({"steps": -3}, r"steps=-3"),
    "steps_bool": ({"steps": True}, r"steps=True"),
    "batch_float": ({"batch_size": 8.0}, r"batch_size to be a whole number >= 1, and was given batch_size=8.0"),
    "batch_zero": ({"batch_size": 0}, r"batch_size=0"),
    "batch_large": ({"batch_size": 51}, r"at most the 50 rows of the data, and was given batch_size=51"),
    "accumulate_large": ({"batch_size": 20, "accumulate": 3}, r"batch_size=20 with accumulate=3"),
    "accumulate_full": ({"accumulate": 2}, r"needs batch_size to accumulate"),
    "accumulate_zero": ({"batch_size": 5, "accumulate": 0}, r"accumulate=0"),
    "order": ({"order": "shufle"}, r"'shufle'. Did you mean 'shuffle'"),
    "chunk": ({"chunk": 0}, r"chunk=0"),
    "every": ({"every": 0}, r"every=0"),
    "key": ({"key": 0.5}, r"int seed or one JAX key, and was given 0.5"),
    "stop": ({"stop": [0.1]}, r"list of stopping rules .* given 0.1"),
    "rule": ({"rule": 0.1}, r"a rule \(an object with init and update\), and was given 0.1"),
    "rule_class": ({"rule": Adam}, r"a rule"),
    "empty": ({"params": {}}, r"at least one array among the parameters"),
    "integer": ({"params": {"w": np.zeros(3, int), "b": 0.0}}, r"int.* at 'w'"),
    "complex": ({"params": {"w": np.zeros(3, np.complex64), "b": 0.0}}, r"complex64 at 'w'"),
    "rows": ({"data": {"x": X, "y": Y[:-1]}}, r"50 rows at 'x' and 49 at 'y'"),
    "scalar_data": ({"data": {"x": X, "y": 1.0}}, r"a scalar at 'y'"),
    "no_rows": ({"data": {"x": X[:0], "y": Y[:0]}}, r"at least one row"),
    "no_data": ({"data": None, "batch_size": 4}, r"data to draw batches from"),
    "vector_loss": ({"loss_fn": lambda p, b: p["w"]}, r"scalar of shape \(\), and it returned float32 of shape \(3,\)"),
    "integer_loss": ({"loss_fn": lambda p, b: jnp.ones((), int)}, r"it returned int32 of shape \(\)"),
    "tuple_loss": ({"loss_fn": lambda p, b: (p["b"], 1.0)}, r"returned a tuple; for \(loss, aux\) give has_aux=True"),
    "no_aux": ({"has_aux": True}, r"to return \(loss, aux\), and it returned an array of shape \(\)"),
    "not_a_function": ({"loss_fn": 1.0}, r"a function of \(params, batch\)"),
    "unhashable": ({"loss_fn": unhashable()}, r"loss_fn to be hashable"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_a_clear_error(case):
    changed, message = BAD[case]
    call = {"loss_fn": loss_fn, "params": PARAMS, "data": DATA, "rule": Adam(0.1), "steps": 3, **changed}
    with pytest.raises(ValueError, match=message):
        gd.train(call.pop("loss_fn"), call.pop("params"), call.pop("data"), call.pop("rule"), **call)
