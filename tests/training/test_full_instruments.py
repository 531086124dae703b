"""The instruments that look at a step again or remember earlier ones, inside `train`: against the same, computed by hand."""

import json

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc import models, rules
from gdfunc.instruments import INSTRUMENTS, SETS, see

MODEL = models.mlp((6, 8, 8, 3), "tanh")
X = normal(1, 12, 6)
Y = 1 + jnp.sin(X[:, :3])  # so that examples agree about the gradient
START = MODEL.init(jax.random.key(0))
RATE = 0.3


def loss_fn(params, batch):
    x, y = batch
    return jnp.mean((MODEL.apply(params, x) - y) ** 2)


def run(rule=rules.SGD(RATE), **given):
    return gd.train(loss_fn, START, (X, Y), rule, **{"steps": 4, "instruments": "full", **given}).history


@pytest.fixture(scope="module")
def every_step():
    """All instruments at every step."""
    return run(instruments=dict.fromkeys(set(INSTRUMENTS) - {"clipped"}, 1))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """(the set at every other step, its folder)."""
    folder = tmp_path_factory.mktemp("full") / "run"
    return gd.train(
        loss_fn, START, (X, Y), rules.SGD(RATE), steps=23, instruments="full", every=2, folder=folder
    ), folder


def path():
    """(parameters, gradient) before each of five steps of gradient descent, as vectors."""
    flat, unravel = jax.flatten_util.ravel_pytree(START)
    slope = jax.jit(lambda p: jax.flatten_util.ravel_pytree(jax.grad(loss_fn)(unravel(p), (X, Y)))[0])
    found = []
    for _ in range(5):
        found.append((flat, slope(flat)))
        flat = flat - RATE * found[-1][1]
    return found, unravel


def test_cosines_and_distances_are_those_of_the_path(every_step):
    found, unravel = path()
    cosine = lambda a, b: float(a @ b / jnp.linalg.norm(a) / jnp.linalg.norm(b))  # noqa: E731
    assert np.isnan(every_step.run["gradient_cosine"][0])
    for t in range(1, 4):
        np.testing.assert_allclose(
            every_step.run["gradient_cosine"][t], cosine(found[t][1], found[t - 1][1]), rtol=1e-5
        )
        np.testing.assert_allclose(every_step.run["initial_cosine"][t], cosine(found[t][1], found[0][1]), rtol=1e-5)
        moved = jax.tree.map(jnp.subtract, unravel(found[t][0]), START)
        layers = [moved["first"]["weight"], moved["hidden"]["weight"][0], moved["last"]["weight"]]
        np.testing.assert_allclose(every_step.layers["distance"][t], [jnp.linalg.norm(w) for w in layers], rtol=1e-4)
    np.testing.assert_array_equal(every_step.layers["distance"][0], 0)


def test_noise_is_that_of_every_examples_gradient(every_step):
    found, unravel = path()
    noises, signals, tests = [], [], []
    for t in range(4):
        alone = jax.vmap(lambda x, y, p=unravel(found[t][0]): jax.grad(loss_fn)(p, (x[None], y[None])))(X, Y)
        g = np.stack([np.concatenate([np.ravel(leaf[i]) for leaf in jax.tree.leaves(alone)]) for i in range(12)], 0)
        squares, mean = np.sum(g.astype(np.float64) ** 2, 1).mean(), np.sum(g.mean(0).astype(np.float64) ** 2)
        noises.append((squares - mean) * 12 / 11)
        signals.append((12 * mean - squares) / 11)
        along = g @ g.mean(0) / np.sum(g.mean(0) ** 2)
        across = g - np.outer(along, g.mean(0))
        tests.append([np.sqrt(np.sum((along - 1) ** 2) / 132), np.sqrt(np.sum(across**2) / 132 / mean)])
    # float32: the tests are differences of nearly equal numbers.
    np.testing.assert_allclose(every_step.run["inner_product_test"], [a for a, _ in tests], rtol=1e-3)
    np.testing.assert_allclose(every_step.run["orthogonality_test"], [b for _, b in tests], rtol=1e-3)
    np.testing.assert_allclose(every_step.run["norm_test"], [np.hypot(a, b) for a, b in tests], rtol=1e-3)
    np.testing.assert_allclose(every_step.run["gradient_noise"], noises, rtol=1e-4)
    np.testing.assert_allclose(every_step.run["gradient_signal"], signals, rtol=1e-4)
    weights = [0.9 ** (3 - t) for t in range(4)]
    expected = np.dot(weights, noises) / np.dot(weights, signals)
    np.testing.assert_allclose(every_step.run["noise_scale"][3], expected, rtol=1e-4)


def test_the_steps_quality_is_that_of_the_loss_at_its_ends(every_step):
    found, unravel = path()
    losses = [float(loss_fn(unravel(p), (X, Y))) for p, _ in found]
    np.testing.assert_allclose(every_step.run["loss_after_before"], np.divide(losses[1:], losses[:-1]), rtol=1e-5)
    for t in range(4):
        before = -RATE * float(found[t][1] @ found[t][1])
        after = -RATE * float(found[t][1] @ found[t + 1][1])
        r = 2 * (losses[t + 1] - losses[t]) - before - after
        # float32: r is a difference of losses that agree in two digits.
        np.testing.assert_allclose(every_step.run["alpha"][t], -(after + r / 10) / (before + r / 10), rtol=1e-3)


def test_the_sharpness_is_the_hessians_and_its_ratio_that_to_the_rules_limit(every_step):
    found, unravel = path()
    hessian = jax.jit(jax.hessian(lambda p: loss_fn(unravel(p), (X, Y))))
    for t in range(4):
        eigenvalues = np.linalg.eigvalsh(hessian(found[t][0]))
        largest = eigenvalues[np.argmax(np.abs(eigenvalues))]
        residual = every_step.run["sharpness_residual"][t]
        nearest = np.min(np.abs(eigenvalues - every_step.run["sharpness"][t]))
        assert nearest <= 1.01 * residual * abs(every_step.run["sharpness"][t])  # what the residual says
    np.testing.assert_allclose(every_step.run["sharpness"][3], largest, rtol=0.02)  # from where the last three ended
    np.testing.assert_allclose(every_step.run["sharpness_ratio"], every_step.run["sharpness"] * RATE / 2, rtol=1e-6)


def test_adams_ratio_is_that_of_the_preconditioned_hessian():
    rule = rules.Adam(0.01)
    seen = run(rule, steps=3, instruments=("sharpness_ratio",))
    _, unravel = jax.flatten_util.ravel_pytree(START)
    params, state = START, rule.init(START)
    for _ in range(3):
        before = params
        u, state = rule.update(jax.grad(loss_fn)(params, (X, Y)), state, params)
        params = gd.apply_updates(params, u)
    H = jax.hessian(lambda p: loss_fn(unravel(p), (X, Y)))(jax.flatten_util.ravel_pytree(before)[0])
    P = jax.flatten_util.ravel_pytree(gd.instruments.adam_preconditioner(rule, state))[0]
    largest = np.max(np.abs(np.linalg.eigvals(np.asarray(H) / np.asarray(P)[:, None])))
    # The search ends at a residual of 0.05.
    np.testing.assert_allclose(abs(seen.run["sharpness_ratio"][2]), largest * 0.01 / 38, rtol=0.1)


def test_effective_ranks_and_histograms_are_those_of_the_arrays(every_step):
    a, ranks, outputs = X, [], []
    for w in (START["first"]["weight"], START["hidden"]["weight"][0]):
        outputs.append(a @ w)
        a = jnp.tanh(outputs[-1])
        s = np.linalg.svd(np.asarray(a - a.mean(0), np.float64), compute_uv=False)
        p = s[s > 1e-12] / s.sum()
        ranks.append(np.exp(-np.sum(p * np.log(p))))
    np.testing.assert_allclose(every_step.layers["effective_rank"][0, :2], ranks, rtol=1e-4)
    assert np.isnan(every_step.layers["effective_rank"][0, 2])  # no activation follows the last
    counts = np.histogram(np.log2(np.abs(np.asarray(outputs[1]))), [-np.inf, *range(-40, 21), np.inf])[0]
    np.testing.assert_array_equal(every_step.layers["output_histogram"][0, 1], counts)
    w = np.asarray(START["hidden"]["weight"][0])
    counts = np.histogram(np.log2(np.abs(w)), [-np.inf, *range(-40, 21), np.inf])[0]
    np.testing.assert_array_equal(every_step.layers["weight_histogram"][0, 1], counts)
    g = np.asarray(jax.grad(loss_fn)(START, (X, Y))["last"]["weight"])
    counts = np.histogram(np.log2(np.abs(g)), [-np.inf, *range(-40, 21), np.inf])[0]
    np.testing.assert_array_equal(every_step.layers["gradient_histogram"][0, 2], counts)


def test_a_run_is_the_same_bit_for_bit_with_all_instruments_and_without(full):
    np.testing.assert_array_equal(full[0].history.loss, run(steps=23, instruments=()).loss)


def test_in_the_full_set_the_dear_ones_are_read_at_every_tenth_record(full):
    seen, folder = full[0].history, full[1]
    assert list(seen.measured_step) == list(range(1, 24, 2))
    for name, each in INSTRUMENTS.items():
        if name == "clipped":  # nothing clips
            continue
        x = seen.run.get(name, seen.layers.get(name))
        if each.pace == 10 and each.of == "run":
            assert list(np.flatnonzero(np.isfinite(x))) == [0, 10]
        elif each.of == "histogram":
            assert list(np.flatnonzero(x.sum((1, 2)))) == [0, 10]
        elif each.of == "run":
            assert np.all(np.isfinite(x[1:]))
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "sharpness" in row] == [1, 21]
    assert len(rows[0]["weight_histogram"]["counts"][0]) == len(rows[0]["weight_histogram"]["edges_log2"]) + 1
    with np.load(folder / "history.npz") as arrays:
        np.testing.assert_array_equal(arrays["sharpness"], seen.run["sharpness"])
        np.testing.assert_array_equal(arrays["distance"], seen.layers["distance"])


def test_a_mapping_says_how_many_records_pass():
    seen = run(steps=7, instruments={"economy": 1, "weight_norm": 3, "loss_after_before": 2})
    assert list(np.flatnonzero(np.isfinite(seen.layers["weight_norm"][:, 0]))) == [0, 3, 6]
    assert list(np.flatnonzero(np.isfinite(seen.run["loss_after_before"]))) == [0, 2, 4, 6]
    assert np.all(np.isfinite(seen.layers["gradient_norm"]))


def test_what_clipping_cuts_is_read_of_a_chain_that_clips_first():
    chain = gd.chain(gd.clipping.ClipByGlobalNorm(0.5), rules.SGD(RATE))
    seen = run(chain, instruments="economy")
    np.testing.assert_allclose(seen.run["clipped"], 1 - np.minimum(1, 0.5 / seen.grad_norm), rtol=1e-5)
    assert np.all(seen.run["clipped"] > 0)


def test_what_passes_a_link_of_the_chain_is_recorded(tmp_path):
    import optax

    rule = optax.chain(see("raw"), optax.clip_by_global_norm(0.5), see("cut"), optax.sgd(RATE))
    seen = run(rule, instruments="economy", every=2, folder=tmp_path / "run")
    np.testing.assert_allclose(seen.run["raw_norm"], seen.grad_norm[::2], rtol=1e-6)
    np.testing.assert_allclose(seen.run["cut_norm"], 0.5, rtol=1e-5)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([row["cut_norm"] for row in rows], 0.5, rtol=1e-5)
    alone = run(rule, instruments=())
    np.testing.assert_allclose(alone.run["raw_norm"], alone.grad_norm, rtol=1e-6)


def test_with_accumulated_mini_batches_layers_are_read_on_the_first_and_noise_on_all():
    whole = run(
        steps=1, batch_size=12, order="sequential", instruments=("gradient_noise", "gradient_norm", "output_rms")
    )
    parts = run(
        steps=1,
        batch_size=6,
        accumulate=2,
        order="sequential",
        instruments=("gradient_noise", "gradient_norm", "output_rms"),
    )
    np.testing.assert_allclose(parts.run["gradient_noise"], whole.run["gradient_noise"], rtol=1e-4)
    np.testing.assert_allclose(parts.layers["gradient_norm"], whole.layers["gradient_norm"], rtol=1e-5)
    first = X[:6] @ START["first"]["weight"]
    np.testing.assert_allclose(parts.layers["output_rms"][0, 0], np.sqrt(np.mean(first**2)), rtol=1e-5)


def test_histories_with_all_of_them_are_saved_and_go_on(full, tmp_path):
    second = gd.train(loss_fn, full[0], (X, Y), rules.SGD(RATE), steps=4, instruments="full", every=2)
    assert second.history.run["sharpness"].shape == (14,)
    np.testing.assert_array_equal(second.history.run["alpha"][:12], full[0].history.run["alpha"])
    second.history.save(tmp_path / "history")
    again = gd.training.History.load(tmp_path / "history")
    np.testing.assert_array_equal(again.run["alpha"], second.history.run["alpha"])
    np.testing.assert_array_equal(again.layers["weight_histogram"], second.history.layers["weight_histogram"])


def test_a_step_that_was_judged_and_not_made_is_read_once(every_step):
    stop = [gd.training.Target(float(every_step.loss[2]))]
    first = gd.train(loss_fn, START, (X, Y), rules.SGD(RATE), steps=9, instruments=("alpha",), stop=stop)
    second = gd.train(loss_fn, first, (X, Y), rules.SGD(RATE), steps=2, instruments=("alpha",))
    assert first.history.run["alpha"].shape == (3,)  # the third was judged, and not made
    assert second.history.run["alpha"].shape == second.history.measured_step.shape == (4,)


def test_a_rule_and_data_without_them_have_them_left_out_of_the_set():
    loss = lambda w, x: jnp.mean(jnp.tanh(x @ w["a"]) @ w["b"]) ** 2  # noqa: E731
    params = {"a": jnp.ones((3, 2)), "b": jnp.ones((2, 1))}
    data, rule = jnp.ones((4, 3)), rules.Lion(0.1)
    seen = gd.train(loss, params, data, rule, steps=2, batch_size=1, instruments="full").history
    of_examples = {name for name in SETS["full"] if name.endswith("_test")}
    of_examples |= {"noise_scale", "gradient_noise", "gradient_signal"}
    assert {*seen.run, *seen.layers} == set(SETS["full"]) - of_examples - {"clipped", "sharpness_ratio"}
