"""A training loop of one's own: two lines, and every N-th step is recorded."""

import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc import instruments, rules
from gdfunc.core import tree_norm
from gdfunc.instruments import probed_value_and_grad, see, value_and_grad, watch

X = normal(0, 16, 6)
Y = normal(1, 16, 2)
PARAMS = {
    "a": {"w": normal(2, 6, 8) / 2, "b": jnp.zeros(8)},
    "z": {"w": normal(3, 8, 2) / 3, "b": jnp.zeros(2)},
}


def loss_fn(p, x, y):
    h = jnp.tanh(x @ p["a"]["w"] + p["a"]["b"])
    return jnp.mean((h @ p["z"]["w"] + p["z"]["b"] - y) ** 2)


def make_step(rule, grad=None):
    grad = grad or value_and_grad(loss_fn)

    def step(params, state, x, y):
        loss, grads = grad(params, x, y)
        updates, state = rule.update(grads, state, params)
        return gd.apply_updates(params, updates), state, loss

    return step


def go(step, rule, calls=7):
    params, state, losses = jax.tree.map(jnp.copy, PARAMS), rule.init(PARAMS), []
    for _ in range(calls):
        params, state, loss = step(params, state, X, Y)
        losses.append(float(loss))
    return params, losses


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("rule", [rules.Adam(1e-2), optax.adam(1e-2)], ids=["ours", "optax"])
def test_a_watched_loop_gives_the_same_numbers_and_records_every_nth_call(tmp_path, rule):
    plain = make_step(rule, jax.value_and_grad(loss_fn))
    expected, losses = go(jax.jit(plain), rule)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with watch(make_step(rule), tmp_path / "run", every=3) as step:
            found, seen = go(step, rule)
    np.testing.assert_allclose(seen, losses, rtol=1e-6)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    written = rows(tmp_path / "run")
    assert [row["step"] for row in written] == [1, 4, 7]
    np.testing.assert_allclose([row["loss"] for row in written], losses[::3], rtol=1e-5)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert [(each["name"], each["activation"]) for each in config["layers"]] == [("a/w", "tanh"), ("z/w", "")]
    assert json.loads((tmp_path / "run" / "env.json").read_text())["jax"] == jax.__version__


def test_the_first_record_is_that_of_the_first_step_computed_by_hand(tmp_path):
    rule = rules.Adam(1e-2)
    with watch(make_step(rule), tmp_path / "run", every=3) as step:
        go(step, rule, calls=1)
    (row,) = rows(tmp_path / "run")
    grads = jax.grad(loss_fn)(PARAMS, X, Y)
    update, _ = rule.update(grads, rule.init(PARAMS), PARAMS)
    norm = lambda tree, layer: float(jnp.linalg.norm(tree[layer]["w"]))  # noqa: E731
    for i, layer in enumerate("az"):
        np.testing.assert_allclose(row["gradient_norm"][i], norm(grads, layer), rtol=1e-5)
        np.testing.assert_allclose(row["update_ratio"][i], norm(update, layer) / norm(PARAMS, layer), rtol=1e-4)
    np.testing.assert_allclose(row["gradient_global_norm"], tree_norm(grads), rtol=1e-5)
    activations = np.tanh(X @ PARAMS["a"]["w"])
    np.testing.assert_allclose(row["saturated"][0], np.mean(np.abs(activations) > 0.97), atol=1e-6)
    assert row["saturated"][1] is None


def test_the_new_parameters_are_told_from_averages_of_the_same_shape(tmp_path):
    rule = rules.Adam(1e-2)

    def step(state, params, x, y):  # the averages stand before the parameters in what it returns
        loss, grads = value_and_grad(loss_fn)(params, x, y)
        updates, state = rule.update(grads, state, params)
        return state, gd.apply_updates(params, updates), loss

    with watch(step, tmp_path / "run") as watched:
        watched(rule.init(PARAMS), PARAMS, X, Y)
    assert max(rows(tmp_path / "run")[0]["update_ratio"]) < 0.1


def test_see_records_what_clipping_cut(tmp_path):
    rule = optax.chain(see("raw"), optax.clip_by_global_norm(0.01), see("clipped"), optax.sgd(0.1))
    with watch(make_step(rule), tmp_path / "run") as step:
        go(step, rule, calls=2)
    row = rows(tmp_path / "run")[0]
    np.testing.assert_allclose(row["raw_norm"], tree_norm(jax.grad(loss_fn)(PARAMS, X, Y)), rtol=1e-5)
    np.testing.assert_allclose(row["clipped_norm"], 0.01, rtol=1e-5)


def test_outside_a_watched_step_nothing_is_added_to_the_program():
    chain = optax.chain(see("raw"), optax.sgd(0.1))
    args = (PARAMS, optax.sgd(0.1).init(PARAMS), X, Y)
    plain = jax.jit(make_step(optax.sgd(0.1), jax.value_and_grad(loss_fn))).lower(*args).as_text()
    seen = jax.jit(make_step(optax.sgd(0.1))).lower(*args).as_text()
    assert plain == seen
    assert chain.update(PARAMS, chain.init(PARAMS))[0].keys() == PARAMS.keys()


def test_between_records_the_step_itself_runs_and_may_donate_its_arguments(tmp_path):
    rule = rules.SGD(0.1, momentum=0.9)
    with watch(make_step(rule), tmp_path / "run", every=4, donate_argnums=(0, 1)) as step:
        _, losses = go(step, rule, calls=6)
    np.testing.assert_allclose(losses, go(jax.jit(make_step(rule)), rule, calls=6)[1], rtol=1e-6)
    with watch(jax.jit(make_step(rule), donate_argnums=(0, 1)), tmp_path / "again", every=4) as step:
        assert go(step, rule, calls=6)[1] == losses


def test_records_can_be_read_while_the_loop_goes_on(tmp_path):
    rule = rules.SGD(0.1)
    step = watch(make_step(rule), tmp_path / "run", every=1)
    go(step, rule, calls=3)
    assert [row["step"] for row in rows(tmp_path / "run")] == [1, 2]  # one late, so that nothing waits
    step.close()
    assert [row["step"] for row in rows(tmp_path / "run")] == [1, 2, 3]
    with np.load(tmp_path / "run" / "history.npz") as arrays:
        assert arrays["gradient_norm"].shape == (3, 2)


def test_not_finite_numbers_are_written_as_words(tmp_path):
    with watch(make_step(rules.SGD(1e30)), tmp_path / "run", every=1) as step:
        go(step, rules.SGD(1e30), calls=4)
    losses = [row["loss"] for row in rows(tmp_path / "run")]
    assert {"NaN", "Infinity"} & {x for x in losses if isinstance(x, str)}
    assert "nonfinite" in [each["kind"] for each in gd.diagnosis.of_run(tmp_path / "run")]


def test_a_step_without_our_value_and_grad_is_named(tmp_path):
    step = watch(make_step(rules.SGD(0.1), jax.value_and_grad(loss_fn)), tmp_path / "run")
    with pytest.raises(ValueError, match=r"gdfunc.instruments.value_and_grad, and it did not"):
        go(step, rules.SGD(0.1), calls=1)
    assert not (tmp_path / "run").exists()


def test_gradients_taken_inside_a_jit_of_their_own_are_named(tmp_path):
    step = watch(make_step(rules.SGD(0.1), jax.jit(value_and_grad(loss_fn))), tmp_path / "run")
    with pytest.raises(ValueError, match="called by the step itself"):
        go(step, rules.SGD(0.1), calls=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"instruments": "everything"}, "Known: .*economy.*full.*standard"),
        ({"instruments": ("dead_unit",)}, "Did you mean 'dead_units'"),
        ({"every": 0}, "every to be a whole number >= 1"),
    ],
)
def test_wrong_settings_are_named(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        watch(make_step(rules.SGD(0.1)), tmp_path / "run", **given)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="a run needs a folder of its own"):
        watch(make_step(rules.SGD(0.1)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_every_instrument_says_how_it_is_read():
    for each in instruments.INSTRUMENTS.values():
        assert each.title
        assert each.unit
        assert each.says.endswith(".")
        assert each.scale in ("log", "linear")


def test_a_tracker_is_given_a_number_a_layer(tmp_path):
    class Tracker:
        given: list = []

        def log(self, numbers):
            self.given.append(numbers)

    with watch(make_step(rules.SGD(0.1)), tmp_path / "run", every=2, log=Tracker()) as step:
        go(step, rules.SGD(0.1), calls=3)
    (row, _), (given, after) = rows(tmp_path / "run"), Tracker.given
    assert [given["step"], after["step"]] == [1, 3]
    assert all(isinstance(x, (int, float)) for x in given.values())
    np.testing.assert_allclose(given["gradient_norm/a/w"], row["gradient_norm"][0], rtol=1e-5)
    assert "saturated/a/w" in given
    assert "saturated/z/w" not in given
    with pytest.raises(ValueError, match=r"log\(dict\) method"):
        watch(make_step(rules.SGD(0.1)), tmp_path / "other", log=print)


def test_records_are_written_for_tensorboard(tmp_path):
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    rule = rules.SGD(0.1)
    log = instruments.TensorBoard(tmp_path / "events")
    with watch(make_step(rule), tmp_path / "run", every=3, log=log) as step:
        go(step, rule, calls=4)
    (file,) = (tmp_path / "events").iterdir()
    content, found = file.read_bytes(), []
    while content:  # length, its checksum, the event, its checksum
        size = int.from_bytes(content[:8], "little")
        assert int.from_bytes(content[8:12], "little") == masked_crc32c(content[:8])
        event = Event.FromString(content[12 : 12 + size])
        found += [(each.tag, event.step, each.simple_value) for each in event.summary.value]
        content = content[16 + size :]
    losses = [(step, x) for tag, step, x in found if tag == "loss"]
    assert [step for step, _ in losses] == [1, 4]
    np.testing.assert_allclose([x for _, x in losses], [row["loss"] for row in rows(tmp_path / "run")], rtol=1e-5)
    assert ("gradient_norm/a/w", 4) in [(tag, step) for tag, step, _ in found]


@pytest.mark.parametrize("name", ["gradient", "weight", "gradient_global"])
def test_a_name_under_which_an_instrument_reads_is_refused(name):
    with pytest.raises(ValueError, match="another name"):
        see(name)


def test_all_instruments_read_the_same_in_a_loop_of_ones_own_as_in_train(tmp_path):
    rule = rules.SGD(0.1)
    with watch(make_step(rule), tmp_path / "run", "full", every=2) as step:
        go(step, rule, calls=23)
    loss = lambda p, batch: loss_fn(p, *batch)  # noqa: E731
    trained = gd.train(loss, PARAMS, (X, Y), rule, steps=23, instruments="full", every=2).history
    written = rows(tmp_path / "run")
    for name in ("alpha", "sharpness", "noise_scale", "gradient_cosine"):
        found = np.array([float(row.get(name, "NaN")) for row in written])  # NaN where it was not due, in both
        assert np.sum(~np.isnan(found)) >= 2
        # float32 in two programs, whose 23 updates drift apart by rounding.
        np.testing.assert_allclose(found, trained.run[name], rtol=1e-3)
    np.testing.assert_allclose([row["distance"] for row in written], trained.layers["distance"], rtol=1e-3)
    counts = np.array([row["output_histogram"]["counts"] for row in written if "output_histogram" in row])
    np.testing.assert_array_equal(counts, trained.layers["output_histogram"][[0, 10]])
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert not {"sharpness_ratio", "clipped"} & set(config["instruments"])  # watch does not know the rule
    assert "gradient_cosine" not in written[0]  # to the one before it


def test_a_step_whose_batch_has_no_examples_has_no_noise(tmp_path):
    grad = value_and_grad(lambda p, batch, scale: scale * loss_fn(p, *batch))

    def step(params, batch, scale):
        loss, grads = grad(params, batch, scale)
        return gd.apply_updates(params, rules.SGD(0.1).update(grads, rules.SGD(0.1).init(params), params)[0]), loss

    with (
        watch(step, tmp_path / "run", ("noise_scale",)) as watched,
        pytest.raises(ValueError, match="at least 2 examples"),
    ):
        watched(PARAMS, (X, Y), 1.0)
    with watch(step, tmp_path / "again", "full") as watched:
        watched(PARAMS, (X, Y), 1.0)
    (row,) = rows(tmp_path / "again")
    assert "sharpness" in row
    assert not {"noise_scale", "inner_product_test"} & set(row)


def test_where_probes_change_the_step_it_is_said_and_norms_remain(tmp_path, monkeypatch):
    def wrong(*args):
        (loss, aux), grads, measured = probed_value_and_grad(*args)
        return (loss, aux), jax.tree.map(lambda g: 1.1 * g, grads), measured

    monkeypatch.setattr("gdfunc.instruments._step_gradient.probed_value_and_grad", wrong)
    rule = rules.SGD(0.1)
    _, losses = go(jax.jit(make_step(rule, jax.value_and_grad(loss_fn))), rule, calls=4)
    warned = pytest.warns(UserWarning, match="other numbers with probes in the loss")
    with watch(make_step(rule), tmp_path / "run", every=1) as step, warned:
        _, seen = go(step, rule, calls=4)
    np.testing.assert_allclose(seen, losses, rtol=1e-6)
    written = rows(tmp_path / "run")
    assert [row["step"] for row in written] == [2, 3, 4]
    assert set(written[0]) == {
        "step",
        "seconds",
        "loss",
        "gradient_global_norm",
        "gradient_norm",
        "weight_norm",
        "update_ratio",
    }
    np.testing.assert_allclose([row["loss"] for row in written], losses[1:], rtol=1e-5)


def first_ratios(folder, step, *args, **options):
    with watch(step, folder, **options) as watched:
        watched(*args)
    return rows(folder)[0]["update_ratio"]


@pytest.mark.parametrize("returned", ["average first", "old ones too", "loss first", "a state", "elsewhere"])
def test_updates_are_those_of_the_parameters_wherever_they_are_returned(tmp_path, returned):
    def made(params, x, y):
        loss, grads = value_and_grad(loss_fn)(params, x, y)
        return gd.apply_updates(params, jax.tree.map(lambda g: -3.0 * g, grads)), loss

    average = jax.tree.map(lambda p: p + 1e-6, PARAMS)  # nearer to the parameters than the new ones
    if returned == "average first":
        step = lambda average, params, x, y: (average, *made(params, x, y))  # noqa: E731
        args = (average, PARAMS, X, Y)
    elif returned == "a state":
        step = lambda state, x, y: {"params": made(state["params"], x, y)[0], "average": state["average"]}  # noqa: E731
        args = ({"params": PARAMS, "average": average}, X, Y)
    elif returned == "elsewhere":
        step = lambda params, x, y: {"new": made(params, x, y)[0], "old": params}  # noqa: E731
        args = (PARAMS, X, Y)
    else:
        order = {"old ones too": lambda p, new, loss: (new, p, loss), "loss first": lambda p, new, loss: (loss, new)}
        step = lambda params, x, y: order[returned](params, *made(params, x, y))  # noqa: E731
        args = (PARAMS, X, Y)
    grads = jax.grad(loss_fn)(PARAMS, X, Y)
    norm = lambda tree, layer: float(jnp.linalg.norm(tree[layer]["w"]))  # noqa: E731
    expected = [3 * norm(grads, layer) / norm(PARAMS, layer) for layer in "az"]
    found = first_ratios(tmp_path / "run", step, *args)
    if returned == "elsewhere":  # which of the two is not clear
        assert found == ["NaN", "NaN"]
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_step_of_equinoxs_filter_jit_is_watched(tmp_path):
    eqx = pytest.importorskip("equinox")
    model = eqx.nn.MLP(6, 2, 8, 2, key=jax.random.key(0))  # its activation is a leaf that is no array

    @eqx.filter_jit
    def step(model, x, y):
        params, static = eqx.partition(model, eqx.is_inexact_array)
        loss = lambda p, x, y: jnp.mean((jax.vmap(eqx.combine(p, static))(x) - y) ** 2)  # noqa: E731
        value, grads = value_and_grad(loss)(params, x, y)
        return eqx.apply_updates(model, jax.tree.map(lambda g: -0.1 * g, grads)), value

    with watch(step, tmp_path / "run", "full", every=2) as watched:
        for _ in range(5):
            model, _ = watched(model, X, Y)
    written = rows(tmp_path / "run")
    assert [row["step"] for row in written] == [1, 3, 5]
    assert 0 < min(written[0]["update_ratio"]) < max(written[0]["update_ratio"]) < 1
    assert written[0]["sharpness"] > 0


def test_static_arguments_of_a_jitted_step_are_asked_for(tmp_path):
    def step(params, x, y, halve):
        loss, grads = value_and_grad(loss_fn)(params, x, y)
        return jax.tree.map(lambda p, g: p - (0.05 if halve else 0.1) * g, params, grads), loss

    jitted = jax.jit(step, static_argnums=3)
    with pytest.raises(ValueError, match="told the static arguments"):
        watch(jitted, tmp_path / "run")(PARAMS, X, Y, True)
    assert first_ratios(tmp_path / "told", jitted, PARAMS, X, Y, True, static_argnums=3)[0] > 0


def test_what_a_step_may_do_once_is_named(tmp_path):
    def twice(params, x, y):
        value_and_grad(loss_fn)(params, x, y)
        loss, grads = value_and_grad(loss_fn)(params, x, y)
        return gd.apply_updates(params, grads), loss

    with pytest.warns(UserWarning, match="takes gradients more than once"):
        first_ratios(tmp_path / "twice", twice, PARAMS, X, Y)
    rule = gd.chain(see("raw"), see("raw"), rules.SGD(0.1))
    with pytest.raises(ValueError, match="'raw' stands twice"):
        watch(make_step(rule), tmp_path / "see")(PARAMS, rule.init(PARAMS), X, Y)


def test_where_the_loss_closes_over_its_batch_what_needs_it_says_so(tmp_path):
    def step(params, x, y):
        loss, grads = value_and_grad(lambda p: loss_fn(p, x, y))(params)
        return gd.apply_updates(params, grads), loss

    with pytest.raises(
        ValueError, match=r"needs a batch as its argument after the parameters: loss_fn\(params, batch\)"
    ):
        first_ratios(tmp_path / "run", step, PARAMS, X, Y, instruments=("noise_scale",))
    first_ratios(tmp_path / "full", step, PARAMS, X, Y, instruments="full")
    assert "noise_scale (the loss needs a batch" in json.loads((tmp_path / "full/config.json").read_text())["left_out"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda folder: watch(None, folder), "needs the step, a function, first"),
        (lambda folder: watch(make_step(rules.SGD(0.1)), folder, None), "needs instruments by name"),
        (lambda folder: see(3), "a name made of letters"),
    ],
)
def test_what_is_no_step_no_set_and_no_name_is_named(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "run")
