"""Instruments inside `train`: what is read, and that the run is the same with them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc import models, rules
from gdfunc.instruments import GLOBAL_NORM, SETS
from gdfunc.training import History

MODEL = models.mlp((6, 8, 8, 8, 3), "relu")
X = normal(1, 24, 6)
Y = normal(2, 24, 3)
START = MODEL.init(jax.random.key(0))


def loss_fn(params, batch):
    x, y = batch
    return jnp.mean((MODEL.apply(params, x) - y) ** 2)


def run(**given):
    params = MODEL.init(jax.random.key(0))
    return gd.train(loss_fn, params, (X, Y), rules.SGD(0.1), **{"steps": 11, "batch_size": 8, "chunk": 4, **given})


def test_a_run_is_the_same_bit_for_bit_with_instruments_and_without():
    plain, seen = run(), run(instruments="standard", every=3)
    np.testing.assert_array_equal(plain.history.loss, seen.history.loss)
    for a, b in zip(jax.tree.leaves(plain.params), jax.tree.leaves(seen.params), strict=True):
        np.testing.assert_array_equal(a, b)


def test_readings_are_those_of_the_step_computed_by_hand():
    params = MODEL.init(jax.random.key(0))
    params["first"]["weight"] = params["first"]["weight"].at[:, 2].set(0)  # a dead unit
    seen = gd.train(loss_fn, params, (X, Y), rules.SGD(0.1), steps=1, instruments="standard")
    grads = jax.grad(loss_fn)(params, (X, Y))
    assert list(seen.history.layer_names) == ["first/weight", "hidden/weight[0]", "hidden/weight[1]", "last/weight"]

    per_layer = lambda tree: [tree["first"]["weight"], *tree["hidden"]["weight"], tree["last"]["weight"]]  # noqa: E731
    norms = lambda tree: np.array([np.linalg.norm(x) for x in per_layer(tree)])  # noqa: E731
    a, outputs, zeros, dead = X, [], [], []
    for i, w in enumerate(per_layer(params)):
        z = a @ w  # biases are 0 at the start
        a = jnp.maximum(z, 0)
        outputs.append(np.sqrt(np.mean(z**2)))
        zeros.append(np.mean(a == 0) if i < 3 else np.nan)
        dead.append(np.mean(np.all(np.asarray(a) == 0, axis=0)) if i < 3 else np.nan)
    found = {name: x[0] for name, x in seen.history.layers.items()}
    np.testing.assert_allclose(found["gradient_norm"], norms(grads), rtol=1e-5)
    np.testing.assert_allclose(found["weight_norm"], norms(params), rtol=1e-6)
    np.testing.assert_allclose(found["update_ratio"], 0.1 * norms(grads) / norms(params), rtol=1e-5)
    np.testing.assert_allclose(found["output_rms"], outputs, rtol=1e-5)
    np.testing.assert_allclose(found["zeros"], zeros, rtol=1e-6)
    assert dead[0] == 1 / 8
    np.testing.assert_allclose(found["dead_units"], dead, rtol=1e-6)
    assert np.all(np.isnan(found["saturated"]))  # relu has no ends


def test_of_layers_that_no_gradient_comes_through_nothing_is_read():
    def loss(params, batch):
        held = jax.lax.stop_gradient(MODEL.apply(params, batch[0] + 0.1))
        return loss_fn(params, batch) + jnp.mean((MODEL.apply(params, batch[0]) - held) ** 2)

    seen = gd.train(loss, START, (X, Y), rules.SGD(0.1), steps=1, instruments=("dead_units", "zeros", "output_rms"))
    found = {name: x[0] for name, x in seen.history.layers.items()}
    dead = found["dead_units"].reshape(-1, 4)[:, :3]  # of the last layer's outputs there is no activation
    assert len(dead) == 3  # three runs through four layers
    assert sum(np.all(np.isnan(row)) for row in dead) == 1
    assert sum(np.all(row < 1) for row in dead) == 2
    np.testing.assert_array_equal(np.isnan(found["zeros"]), np.isnan(found["dead_units"]))


def test_the_output_gradient_is_that_of_shifting_the_output():
    params = MODEL.init(jax.random.key(0))
    seen = gd.train(loss_fn, params, (X, Y), rules.SGD(0.1), steps=1, instruments=("output_gradient",))
    signals = models.layer_arrays(MODEL, params, X, lambda y: jnp.mean((y - Y) ** 2)).pre_activation_gradient
    rows = [signals["first"], *signals["hidden"], signals["last"]]
    np.testing.assert_allclose(seen.history.layers["output_gradient"][0], [np.linalg.norm(x) for x in rows], rtol=1e-5)
    assert set(seen.history.layers) == {"output_gradient"}


def test_readings_are_made_at_every_nth_step_and_survive_saving(tmp_path):
    seen = run(instruments="economy", every=3)
    assert list(seen.history.measured_step) == [1, 4, 7, 10]
    assert set(seen.history.layers) == set(SETS["economy"]) - {"clipped"}  # nothing clips
    each = run(instruments="economy", every=1)
    for name, x in seen.history.layers.items():
        assert x.shape == (4, 4)
        np.testing.assert_allclose(x, each.history.layers[name][::3], rtol=1e-5)
    seen.history.save(tmp_path / "history")
    again = History.load(tmp_path / "history")
    np.testing.assert_array_equal(again.layer_names, seen.history.layer_names)
    np.testing.assert_array_equal(again.layers["gradient_norm"], seen.history.layers["gradient_norm"])


def test_a_run_that_goes_on_keeps_its_readings():
    first = run(instruments="economy", every=3)
    second = gd.train(loss_fn, first, (X, Y), rules.SGD(0.1), steps=4, batch_size=8, instruments="economy", every=3)
    whole = run(instruments="economy", every=3, steps=15)
    np.testing.assert_array_equal(second.history.layers["weight_norm"], whole.history.layers["weight_norm"])
    assert list(second.history.layer_names) == list(whole.history.layer_names)


def test_the_folder_holds_the_readings_of_the_history(tmp_path):
    seen = run(instruments="standard", every=5, folder=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert [layer["name"] for layer in config["layers"]] == list(seen.history.layer_names)
    assert config["rule"] == repr(rules.SGD(0.1))
    assert set(config["instruments"]) == {*SETS["standard"], GLOBAL_NORM} - {"clipped"}
    assert "clipped (it needs a gdfunc chain" in config["left_out"]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 6, 11]
    np.testing.assert_allclose(rows[1]["gradient_norm"], seen.history.layers["gradient_norm"][1], rtol=1e-5)
    assert rows[0]["saturated"] == [None] * 4
    assert rows[0]["zeros"][3] is None
    with np.load(tmp_path / "run" / "history.npz") as arrays:
        np.testing.assert_array_equal(arrays["output_rms"], seen.history.layers["output_rms"])


def test_what_a_run_came_to_stands_in_its_folder_among_its_findings_and_on_its_page(tmp_path):
    def loss(params, batch):  # finite until the weights have moved
        moved = jnp.sum((params["first"]["weight"] - START["first"]["weight"]) ** 2)
        return loss_fn(params, batch) + jnp.where(moved > 1e-4, jnp.nan, 0.0)

    def ended(name, **given):
        params = jax.tree.map(jnp.copy, START)
        options = {"steps": 40, "instruments": "standard", "every": 7, "folder": tmp_path / name}
        return gd.train(loss, params, (X, Y), rules.SGD(1e-2), **options | given).outcome

    for name, given, code in (("bad", {}, "non_finite"), ("good", {"steps": 1}, "steps")):
        outcome = ended(name, **given)
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert outcome.code == config["outcome"]["code"] == code
        findings = gd.diagnosis.of_run(tmp_path / name)
        assert [(each["kind"], each["step"]) for each in findings] == [("nonfinite", outcome.step)] * (name == "bad")
        page = gd.report.run_report(tmp_path / name)
        assert outcome.message in page
        assert "still running" not in page


def test_a_run_that_ends_in_an_error_leaves_a_folder_that_can_be_read(tmp_path):
    def evaluate(params):
        if evaluate.calls:
            raise RuntimeError("stop here")
        evaluate.calls += 1
        return {}

    evaluate.calls = 0
    with pytest.raises(RuntimeError, match="stop here"):
        run(instruments="economy", folder=tmp_path / "run", evaluate=evaluate, evaluate_every=8)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 9))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"instruments": "standart"}, "Did you mean 'standard'"),
        ({"instruments": ("gradient_norms",)}, "Did you mean 'gradient_norm'"),
        ({"instruments": ("clipped",)}, r"cannot read clipped: it needs a gdfunc chain"),
        ({"instruments": {"economy": 1, "sharpnes": 2}}, "Did you mean 'sharpness'"),
        (
            {"instruments": {"economy": 0}},
            "whole number of records >= 1 between readings of 'economy', and was given 0",
        ),
        ({"instruments": ("noise_scale",), "batch_size": 1}, "at least 2 examples"),
        ({"folder": "anywhere"}, "train needs instruments for a folder"),
    ],
)
def test_wrong_settings_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        run(**given)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="a run needs a folder of its own"):
        run(instruments="economy", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_loss_that_closes_over_its_parameters_is_named():
    params = MODEL.init(jax.random.key(0))
    with pytest.raises(ValueError, match="does it close over its own"):
        gd.train(
            lambda p, batch: loss_fn(params, batch), params, (X, Y), rules.SGD(0.1), steps=1, instruments="economy"
        )
