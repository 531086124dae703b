"""Each fault is found in its layer, with evidence and with remedies that were tried; of a healthy network nothing is said."""

import json
import re
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc.diagnosis import KINDS, Remedy, diagnose
from gdfunc.diagnosis._evidence import Row, slope_of
from gdfunc.diagnosis._law import law
from gdfunc.diagnosis._rates import LOW, STEPS, starter
from gdfunc.diagnosis._rules import DEAD

WIDTH, DEPTH = 16, 7
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((64, 8)).astype(np.float32), rng.integers(0, 4, 64)
diagnosed = partial(diagnose, remedies=False)


@cache
def loss_of(activation, depth=DEPTH):
    model = gd.models.mlp((8, *[WIDTH] * (depth - 1), 4), activation)

    def loss(params, batch):
        x, y = batch
        return gd.losses.mean(gd.losses.softmax_cross_entropy(model.apply(params, x), y))

    return loss, jax.eval_shape(model.init, jax.random.key(0))


def network(activation="relu", gain=2**0.5, depth=DEPTH, **changes):
    """(loss, parameters): biases 0, weights of standard deviation gain / sqrt(fan in), then `first__weight=f` of that leaf."""
    loss, shapes = loss_of(activation, depth)
    draws = np.random.default_rng(1)
    std = lambda shape: gain / shape[-2] ** 0.5  # noqa: E731
    params = {
        layer: {
            "weight": (std(leaf["weight"].shape) * draws.standard_normal(leaf["weight"].shape)).astype(np.float32),
            "bias": np.zeros(leaf["bias"].shape, np.float32),
        }
        for layer, leaf in shapes.items()
    }
    for path, change in changes.items():
        layer, name = path.split("__")
        params[layer][name] = np.asarray(change(params[layer][name]), np.float32)
    return loss, jax.tree.map(jnp.asarray, params)


def third(change):
    """Changes the second of the stacked hidden layers, which is the third of all."""
    return lambda w: np.stack([change(each) if i == 1 else each for i, each in enumerate(w)])


def sole(found, kind):
    """The finding, which is the only one of its kind, and of which there is no other kind."""
    assert found.kinds == {kind}
    return found.findings[0]


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("rule", [gd.rules.SGD(0.05), gd.rules.Adam(1e-3)])
def test_of_a_healthy_network_nothing_is_said(activation, rule):
    gain = 1.6 if activation == "tanh" else 2**0.5
    found = diagnosed(*network(activation, gain), (X, Y), rule=rule)
    assert found.findings == ()
    assert str(found) == "nothing found"
    assert [row["name"] for row in found.layers] == [
        "first/weight", *(f"hidden/weight[{i}]" for i in range(DEPTH - 2)), "last/weight",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("activation", "gain", "kind", "critical"),
    [
        ("relu", 0.4, "vanishing", "; at the critical 2 it would not"),
        ("relu", 5.0, "exploding", "; at the critical 2 it would not"),
        ("tanh", 0.5, "vanishing", "; at the critical 1 it would not"),
        ("sigmoid", 1.0, "vanishing", ""),
    ],
)
def test_what_theory_says_of_such_weights_stands_beside_what_was_seen(activation, gain, kind, critical):
    loss, params = network(activation, gain)
    finding = sole(diagnosed(loss, params, (X, Y)), kind)
    said = re.search(r"as weights of sigma_w\^2 = (\S+) must \(in theory (\S+) times a layer\)(.*)", finding.statement)
    assert said is not None
    assert float(said[1]) == pytest.approx(gain**2, rel=0.1)  # of 12 x 12 weights a layer
    assert np.log10(float(said[2])) == pytest.approx(abs(finding.value), rel=0.2)
    assert said[3].startswith(critical)


def test_theory_is_told_of_fan_in_and_only_where_it_fits():
    model = gd.models.mlp((8, *[16, 32] * 3, 4), "relu", gd.init.variance_scaling(0.4))
    loss = lambda p, batch: jnp.mean(model.apply(p, batch[0]) ** 2)  # noqa: E731
    params = model.init(jax.random.key(0))
    finding = next(f for f in diagnosed(loss, params, (X, Y)).findings if f.kind == "vanishing")
    said = re.search(r"sigma_w\^2 = (\S+) must", finding.statement)
    assert said is not None
    assert float(said[1]) == pytest.approx(0.16, rel=0.1)
    row = partial(Row, "w", "relu", True, 1.0, 1.0, (), 0.5, 0.0, 0.0, 1.0, 8.0, True)
    rows = [row(0.16)] * 5
    factor = np.log10(0.16 / 2) / 2
    assert law(rows, factor).startswith(", as weights of sigma_w^2 = 0.16 must")
    assert law(rows, 0.7 * factor) == law(rows, -factor) == ""
    assert law([row(0.16), row(np.nan)], factor) == ""
    assert law([each._replace(activation="mine") for each in rows], factor) == ""
    assert law([rows[0], rows[1]._replace(activation="tanh"), rows[2]], factor) == ""


def test_a_gradient_that_vanishes_is_found_and_its_slope_is_that_of_the_norms():
    loss, params = network("sigmoid", 1.0)
    finding = sole(diagnosed(loss, params, (X, Y)), "vanishing")

    # The same slope from jax.grad with respect to what is added before each activation.
    def shifted(shifts):
        a = X
        layers = [params["first"], *(jax.tree.map(lambda p, i=i: p[i], params["hidden"]) for i in range(DEPTH - 2))]
        for layer, shift in zip(layers, shifts, strict=True):
            a = jax.nn.sigmoid(a @ layer["weight"] + layer["bias"] + shift)
        logits = a @ params["last"]["weight"] + params["last"]["bias"]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(Y)), Y])

    norms = [np.linalg.norm(g) for g in jax.grad(shifted)([jnp.zeros((64, WIDTH))] * (DEPTH - 1))]
    pairs = [(np.log10(norms[i]) - np.log10(norms[j])) / (j - i) for j in range(DEPTH - 1) for i in range(j)]
    np.testing.assert_allclose(finding.value, np.median(pairs), rtol=1e-4)  # float32, two orders of summation
    assert finding.value < finding.threshold < 0


def test_a_gradient_that_explodes_is_found():
    finding = sole(diagnosed(*network("relu", 4.5), (X, Y)), "exploding")
    assert finding.value > finding.threshold > 0
    assert "grows" in finding.statement


@pytest.mark.parametrize(("gain", "kind"), [(0.2, "vanishing"), (3.5, "exploding")])
def test_through_time_too(gain, kind):
    model = gd.models.rnn(8, WIDTH, 4, "relu", recurrent=gd.init.orthogonal(gain))
    loss = lambda p, b: gd.losses.mean(gd.losses.softmax_cross_entropy(model.apply(p, b[0]), b[1]))  # noqa: E731
    series = np.random.default_rng(2).standard_normal((64, 10, 8)).astype(np.float32)
    finding = sole(diagnosed(loss, model.init(jax.random.key(0)), (series, Y)), kind)
    assert finding.layer == "recurrent/weight"
    assert finding.unit == "decades a turn"


def test_a_slope_is_the_median_of_all_pairs_so_that_a_branch_does_not_tilt_it():
    assert slope_of([1e-6, 1e-5, 1e-4, 1e-3]) == pytest.approx(-1)
    assert slope_of([1.0, 1.0, 1e-9, 1.0, 1.0]) == pytest.approx(0)
    assert slope_of([1.0]) == 0


def test_dead_units_are_found_in_the_layer_where_they_begin_and_counted():
    threes = lambda b: np.where(np.arange(WIDTH) < 0.75 * WIDTH, -50.0, b)  # noqa: E731
    finding = diagnosed(*network(hidden__bias=third(threes)), (X, Y)).findings[0]
    assert (finding.kind, finding.layer) == ("dead_units", "hidden/weight[1]")
    assert 0.75 <= finding.value <= 1
    assert finding.threshold == DEAD


def test_saturation_is_found_in_its_layer():
    found = diagnosed(*network("tanh", 1.0, hidden__weight=third(lambda w: 20 * w)), (X, Y))
    finding = sole(found, "saturation")
    assert finding.layer == "hidden/weight[1]"
    assert finding.value > 0.5


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_units_that_start_equal_are_found(value):
    same = lambda w: np.full_like(w, value)  # noqa: E731
    found = diagnosed(*network("tanh", 1.0, first__weight=same, hidden__weight=same, last__weight=same), (X, Y))
    finding = next(each for each in found.findings if each.kind == "symmetric_init")
    assert finding.layer == "first/weight"
    assert finding.value == 1 / WIDTH


def test_equal_channels_of_a_convolution_are_found_too():
    def loss(p, batch):
        z = jax.lax.conv_general_dilated(batch, p["a"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.mean((jnp.tanh(z).mean((1, 2)) @ p["b"] - 1) ** 2)

    images = np.random.default_rng(3).standard_normal((8, 5, 5, 1)).astype(np.float32)
    equal = {"a": jnp.full((3, 3, 1, 6), 0.1), "b": jnp.full((6, 2), 0.1)}
    assert diagnosed(loss, equal, images).findings[0].layer == "a"
    unequal = {**equal, "b": jnp.asarray(np.random.default_rng(4).standard_normal((6, 2)), jnp.float32)}
    assert diagnosed(loss, unequal, images).kinds == frozenset()  # what they are asked to do differs: they will part


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: 100 * x,
        lambda x: x / 1000,
        lambda x: x + 1000,
        lambda x: x * np.where(np.arange(8) == 3, 1000, 1) / 100,
    ],
    ids=["large", "small", "offset", "one feature"],
)
def test_inputs_of_a_wrong_size_are_found(spoil):
    found = diagnosed(*network("tanh", 1.0), (spoil(X).astype(np.float32), Y))
    assert found.findings[0].kind == "poorly_scaled_input"
    assert found.findings[0].layer == ""


def test_signals_that_come_to_lie_in_one_direction_are_found():
    depth = 60
    found = diagnosed(*network("relu", depth=depth), (X, Y))
    finding = next(each for each in found.findings if each.kind == "rank_collapse")
    assert finding.layer == f"hidden/weight[{depth - 3}]"
    assert finding.value < 0.25


def test_a_parameter_that_is_not_used_and_one_that_is_frozen_are_found():
    loss, params = network()
    spare = {**params, "spare": jnp.ones(3)}
    unused = diagnosed(lambda p, b: loss({k: v for k, v in p.items() if k != "spare"}, b), spare, (X, Y))
    assert sole(unused, "unreached_parameters").layer == "spare"
    stopped = lambda p, b: loss({**p, "first": jax.lax.stop_gradient(p["first"])}, b)  # noqa: E731
    frozen = diagnosed(stopped, params, (X, Y))
    assert [each.layer for each in frozen.findings] == ["first/bias", "first/weight"]


def test_what_lies_before_a_last_layer_of_zeros_is_not_lost():
    loss, params = network(last__weight=np.zeros_like)
    assert not np.any(jax.grad(loss)(params, (X, Y))["first"]["weight"])
    assert diagnosed(loss, params, (X, Y), rule=gd.rules.Adam(1e-3)).findings == ()


def test_branches_that_start_at_0_before_a_last_layer_of_zeros_part_and_are_healthy():
    model = gd.models.residual(8, WIDTH, 4, blocks=3, fixup=True)
    loss = lambda p, b: gd.losses.mean(gd.losses.softmax_cross_entropy(model.apply(p, b[0]), b[1]))  # noqa: E731
    assert diagnosed(loss, model.init(jax.random.key(0)), (X, Y)).findings == ()


def test_a_logarithm_of_0_is_found_with_its_line_and_a_nan_weight_with_its_path():
    loss, params = network()
    found = diagnosed(lambda p, b: loss(p, b) + jnp.log(0 * b[0][0, 0]), params, (X, Y))
    assert "log gives -Inf" in sole(found, "nonfinite").statement
    assert "test_diagnosis.py" in found.findings[0].statement
    assert found.findings[0].value == 1
    found = diagnosed(*network(last__weight=lambda w: w * np.nan), (X, Y))
    assert sole(found, "nonfinite").layer == "last/weight"
    assert found.findings[0].value == WIDTH * 4
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (gd.rules.SGD(20.0), "rate_too_high"),
        (gd.rules.Adam(0.5), "rate_too_high"),
        (gd.rules.SGD(1e-5), "rate_too_low"),
        (gd.rules.Adam(1e-7), "rate_too_low"),
    ],
    ids=str,
)
def test_a_rate_is_judged_and_another_one_is_tried(rule, kind):
    finding = sole(diagnose(*network("tanh", 1.6, depth=3), (X, Y), rule=rule), kind)
    assert finding.layer == ""
    assert finding.remedies[0].helps
    better = float(finding.remedies[0].name.removeprefix("learning_rate="))
    assert better < rule.learning_rate if kind == "rate_too_high" else better > rule.learning_rate
    loss, params = network("tanh", 1.6, depth=3)
    again = diagnosed(loss, params, (X, Y), rule=type(rule)(better))
    assert again.findings == ()


def test_a_rule_of_another_library_is_judged_and_another_rate_is_named_and_not_tried():
    optax = pytest.importorskip("optax")
    finding = sole(diagnose(*network("tanh", 1.6, depth=3), (X, Y), rule=optax.sgd(20.0)), "rate_too_high")
    assert [(each.name, each.tried) for each in finding.remedies] == [("a lower learning rate", False)]


def test_weights_that_start_at_0_and_a_rate_that_warms_up_are_healthy():
    optax = pytest.importorskip("optax")
    classify = lambda p, b: jnp.mean(  # noqa: E731
        gd.losses.softmax_cross_entropy(b[0] @ p["w"] + p["b"], b[1])
    )
    zeros = {"w": jnp.zeros((8, 4)), "b": jnp.zeros(4)}
    for rule in (optax.adam(1e-3), optax.sgd(0.1)):
        assert diagnose(classify, zeros, (X, Y), rule=rule).findings == ()
    assert "rate_too_high" in diagnose(classify, zeros, (X, Y), rule=optax.sgd(1e4)).kinds
    warm = optax.adam(optax.linear_schedule(0.0, 1e-3, 1000))
    assert diagnose(*network("tanh", 1.6, depth=3), (X, Y), rule=warm).findings == ()


def test_layers_that_no_gradient_comes_through_are_not_called_dead():
    loss, params = network("tanh", 1.6, depth=3)
    apply = gd.models.mlp((8, WIDTH, WIDTH, 4), "tanh").apply

    def twice(p, b):
        return loss(p, b) + jnp.mean((apply(p, b[0]) - jax.lax.stop_gradient(apply(p, b[0] + 0.1))) ** 2)

    assert diagnosed(twice, params, (X, Y)).findings == ()
    accuracy = lambda p, b: jnp.mean(jnp.argmax(apply(p, b[0]), 1) == b[1]) + 0 * jnp.sum(p["last"]["bias"])  # noqa: E731
    assert diagnosed(accuracy, params, (X, Y)).kinds == {"unreached_parameters"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rule": "adam"}, "needs a rule .* and was given 'adam'"),
        ({"rule": gd.rules.Adam}, "needs a rule"),
        ({"steps": -3}, "whole number >= 0, and was given -3"),
        ({"steps": 2.5}, "whole number >= 0, and was given 2.5"),
        ({"batch": (X[:0], Y[:0])}, r"examples in the batch, and was given shape \(0, 8\) at '0'"),
    ],
)
def test_what_cannot_be_diagnosed_is_named(given, message):
    loss, params = network("tanh", 1.6, depth=3)
    with pytest.raises(ValueError, match=message):
        diagnose(loss, params, **{"batch": (X, Y), **given})


def test_a_network_that_has_learned_is_not_said_to_learn_too_slowly():
    loss, params = network("tanh", 1.6, depth=3)
    rule = gd.rules.SGD(0.1, momentum=0.9)
    state = rule.init(params)
    step = jax.jit(lambda p, s: rule.update(jax.grad(loss)(p, (X, Y)), s, p))
    for _ in range(1000):
        updates, state = step(params, state)
        params = gd.apply_updates(params, updates)
    weights = frozenset(f"{layer}/weight" for layer in params)
    first = starter(loss, weights, STEPS)(rule, params, (X, Y))
    assert first.ratio < LOW  # as small as those of a rate too low, but the loss falls still
    assert diagnosed(loss, params, (X, Y), rule=rule).findings == ()


BROKEN = {
    "vanishing": network("sigmoid", 1.0),
    "exploding": network("relu", 4.5),
    "saturation": network("tanh", 12.0),
}


@pytest.fixture(scope="module", params=BROKEN)
def treated(request):
    return request.param, diagnose(*BROKEN[request.param], (X, Y))


def test_every_finding_has_a_number_beyond_its_threshold_a_unit_and_a_source(treated):
    kind, found = treated
    finding = sole(found, kind)
    assert kind in KINDS
    assert abs(finding.value) > abs(finding.threshold)
    assert finding.unit
    assert "docs/diagnosis.md" in finding.source


def test_remedies_that_were_tried_and_helped_come_first_and_those_not_tried_last(treated):
    remedies = treated[1].findings[0].remedies
    order = [(not r.helps, r.after is None) for r in remedies]
    assert order == sorted(order)
    assert remedies[-1].after is None
    if treated[0] != "vanishing":  # sigmoids lose a gradient however their weights are drawn
        assert remedies[0].helps
        assert abs(remedies[0].after) < abs(remedies[0].before)


def test_a_diagnosis_is_json_and_words(treated):
    kind, found = treated
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    first = plain["findings"][0]
    assert (first["kind"], first["evidence"]["value"]) == (kind, found.findings[0].value)
    assert set(first["remedies"][0]) == {"name", "before", "after", "tried", "helps"}
    assert kind in str(found)
    assert "threshold" in str(found)


def test_a_remedy_that_mends_one_thing_and_breaks_another_does_not_count_as_helping():
    # Features of unequal size that a first layer has been fitted to: standardised, they saturate it.
    loss, params = network("tanh", 1.0, depth=3, first__weight=lambda w: 800 * w)
    found = diagnose(loss, params, (X / 1000, Y))
    finding = sole(found, "poorly_scaled_input")
    (tried,) = [remedy for remedy in finding.remedies if remedy.after is not None]
    assert tried.after == pytest.approx(1, rel=1e-5)  # it does what it is for
    assert not tried.helps
    assert "not enough" in str(tried)


def test_without_remedies_none_are_tried():
    found = diagnose(*BROKEN["exploding"], (X, Y), remedies=False)
    assert found.findings[0].remedies == ()


def test_a_remedys_words_say_whether_it_was_tried():
    assert str(Remedy("x", 1.0)) == "x (not tried)"
    assert str(Remedy("x", 1.0, 2.0)) == "x: 1 -> 2, not enough"
    assert str(Remedy("x", 1.0, 2.0, True)) == "x: 1 -> 2"


def test_bad_input_is_refused_in_words():
    loss, params = network()
    with pytest.raises(ValueError, match=r"diagnose needs .*scalar"):
        diagnose(lambda p, b: p["last"]["bias"], params, (X, Y))
    with pytest.raises(ValueError, match="does it close over its own"):
        diagnose(lambda p, b: loss(params, b) + 0 * p["a"], {"a": jnp.ones(())}, (X, Y))
    with pytest.raises(ValueError, match="diagnose"):
        diagnose(loss, {}, (X, Y))


def test_labels_that_the_loss_does_not_look_at_are_named():
    params, x, y = {"w": jnp.ones((3, 2)) / 3}, jnp.eye(3), jnp.zeros((3, 2))
    loss = lambda p, batch: jnp.mean((batch["x"] @ p["w"] - 0.5) ** 2)  # noqa: E731
    found = gd.diagnose(loss, params, {"x": x, "y": y}).findings
    assert ("unused_data", "y") in [(each.kind, each.layer) for each in found]
    right = lambda p, batch: jnp.mean((batch["x"] @ p["w"] - batch["y"]) ** 2)  # noqa: E731
    assert "unused_data" not in gd.diagnose(right, params, {"x": x, "y": y}).kinds


def test_what_cannot_be_seen_is_said_and_a_tap_is_no_layer():
    params = {"a": jnp.eye(3), "b": jnp.eye(3)}

    def loss(p, x):
        held = jax.lax.stop_gradient(p["a"])
        x = jax.lax.fori_loop(0, jnp.asarray(2 + 0 * x[0, 0], int), lambda i, h: h @ held, x)
        return jnp.mean(gd.tap("middle", jnp.tanh(x @ p["b"] + p["a"])) ** 2)

    found = gd.diagnose(loss, params, normal(0, 3, 3), remedies=False)
    assert any("while loop" in sentence for sentence in found.unseen)
    assert [row["name"] for row in found.layers] == ["b"]


def test_a_slow_decay_over_many_layers_is_judged_by_all_of_them_together():
    model = gd.models.mlp((6, *[24] * 39, 2), weights=gd.init.normal(0.74 * (2 / 24) ** 0.5))
    x, y = normal(1, 32, 6), normal(2, 32, 2)
    loss = lambda p, batch: jnp.mean((model.apply(p, batch[0]) - batch[1]) ** 2)  # noqa: E731
    (found,) = gd.diagnose(loss, model.init(jax.random.key(0)), (x, y)).findings
    assert (found.kind, found.unit) == ("vanishing", "decades over all layers")
    assert found.value < found.threshold == -4
    redrawn = next(each for each in found.remedies if each.name.startswith("init.he_normal"))
    assert (
        -4 < redrawn.after < 4
    )  # the gradient is mended; 40 layers of relu then lose rank, which he_normal does not help


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_an_input_of_another_size_is_beyond_the_threshold_that_is_named(scale):
    params, x = {"w": jnp.ones((3, 2)) / 3}, scale * normal(0, 16, 3)
    (found,) = gd.diagnose(lambda p, x: jnp.mean((x @ p["w"] - 0.5) ** 2), params, x).findings
    assert found.kind == "poorly_scaled_input"
    assert (found.value < found.threshold) == (scale < 1)


def test_a_runs_finding_stands_with_its_first_step_and_a_tap_is_no_layer(tmp_path):
    layers = [{"name": name, "activation": "relu", "kind": "dot_general"} for name in "abcdef"]
    layers.insert(3, {"name": "tapped", "activation": "", "kind": "tag"})
    gradients = [1e-8, 1e-6, 1e-5, 1e-30, 1e-4, 1e-3, 1e-2]
    (tmp_path / "config.json").write_text(json.dumps({"format": "gdfunc run", "version": 1, "layers": layers}))
    rows = [{"step": step, "loss": 1.0, "output_gradient": [1.0] * 7} for step in (1, 4)]
    rows += [{"step": step, "loss": 1.0, "output_gradient": gradients} for step in (7, 10, 13, 16)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"step": 19, "lo')
    (found,) = gd.diagnosis.of_run(tmp_path)
    assert (found["kind"], found["layer"], found["step"]) == ("vanishing", "a", 7)
    assert found["evidence"]["value"] == pytest.approx(-1)  # a decade a layer, but for the first two


@pytest.fixture(scope="module")
def trained():
    return diagnose(*BROKEN["exploding"], (X, Y), rule=gd.rules.SGD(0.05), steps=6)


def test_a_short_training_shows_the_loss_as_it_is_and_under_each_remedy(trained):
    loss, params = BROKEN["exploding"]
    finding = sole(trained, "exploding")

    def losses(rule):
        state, at = rule.init(params), params
        for _ in range(6):
            updates, state = rule.update(jax.grad(loss)(at, (X, Y)), state, at)
            at = gd.apply_updates(at, updates)
        return [float(loss(params, (X, Y))), float(loss(at, (X, Y)))]

    clip = gd.core.chain(gd.clipping.ClipByGlobalNorm(1.0), gd.rules.SGD(0.05))
    clipped = next(each for each in finding.remedies if "Clip" in each.name)
    # Six steps in float32, compiled in another order: rounding errors grow with the loss, which explodes.
    np.testing.assert_allclose(clipped.losses, losses(clip), rtol=1e-3)
    np.testing.assert_allclose(finding.losses, losses(gd.rules.SGD(0.05)), rtol=1e-3)
    assert clipped.after is None  # the slope through depth is what it was
    assert clipped.helps == (clipped.losses[1] < min(clipped.losses[0], finding.losses[1]))
    best = finding.remedies[0]
    assert best.helps
    assert best.losses[1] < best.losses[0]


def test_losses_of_short_trainings_are_in_the_words_and_in_json_only_where_they_were_made(trained, treated):
    plain = json.loads(json.dumps(trained.as_dict(), allow_nan=False))["findings"][0]
    assert len(plain["losses"]) == 2
    assert [("losses" in each) for each in plain["remedies"]] == [each["tried"] for each in plain["remedies"]]
    assert "as it is: trained, loss" in str(trained)
    assert "chain(ClipByGlobalNorm(1.0), rule): trained, loss" in str(trained)
    untrained = treated[1].as_dict()["findings"][0]
    assert "losses" not in untrained
    assert all("losses" not in each for each in untrained["remedies"])


def test_what_mends_the_number_and_sends_the_loss_up_is_no_help():
    finding = sole(diagnose(*BROKEN["exploding"], (X, Y), rule=gd.rules.SGD(50.0), steps=3), "exploding")
    mended = [each for each in finding.remedies if each.after is not None]
    assert all(abs(each.after) < abs(finding.threshold) for each in mended)
    assert not any(each.helps and each.losses[1] >= each.losses[0] for each in mended)
    assert not all(each.helps for each in mended)


def test_a_squashed_output_of_one_unit_is_no_collapsed_rank():
    params = {"a": jnp.eye(8), "b": jnp.eye(8), "c": jnp.ones((8, 1)) / 8}
    targets = 0.9 * np.tanh(X[:, :1])
    loss = lambda p, b: jnp.mean((jnp.tanh(jnp.tanh(jnp.tanh(b[0] @ p["a"]) @ p["b"]) @ p["c"]) - b[1]) ** 2)  # noqa: E731
    assert diagnosed(loss, params, (X, targets)).findings == ()


def test_a_batch_that_a_network_has_learned_looks_too_small_to_its_noise_scale_and_nothing_is_said_of_it():
    loss, params = network("tanh", 1.6, depth=3)
    scale = jax.jit(
        lambda p: gd.instruments.noise_scale(
            gd.instruments.example_gradient_norms(loss, p, (X, Y)) ** 2, jax.grad(loss)(p, (X, Y))
        )
    )
    fresh = scale(params).scale
    rule, at = gd.rules.Adam(1e-2), params
    state, step = rule.init(at), jax.jit(lambda p, s: rule.update(jax.grad(loss)(p, (X, Y)), s, p))
    for _ in range(100):
        updates, state = step(at, state)
        at = gd.apply_updates(at, updates)
    assert float(loss(at, (X, Y))) < 0.1 * float(loss(params, (X, Y)))
    # Ten times the batch's 64 examples and more is what a threshold would be set at (McCandlish et al. 2018).
    assert fresh < 640 < scale(at).scale
    assert diagnosed(loss, at, (X, Y), rule=rule).findings == ()


def recorded(folder, rows, layers=1, **about):
    """A run's folder with these records."""
    folder.mkdir()
    names = [{"name": f"layer {i}", "kind": "dot_general"} for i in range(layers)]
    config = {"format": "gdfunc run", "version": 1, "layers": names, **about}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": t + 1, **row}) + "\n" for t, row in enumerate(rows))
    )
    return [(each["kind"], each["layer"], each["step"]) for each in gd.diagnosis.of_run(folder)]


def test_one_number_of_a_run_that_is_not_finite_is_enough(tmp_path):
    good = {"loss": 1.0, "gradient_global_norm": 1.0, "output_rms": [1.0, 1.0]}
    assert recorded(tmp_path / "a", [good] * 4 + [{**good, "loss": "NaN"}], 2) == [("nonfinite", "", 5)]
    bad = {**good, "gradient_global_norm": "Infinity", "output_rms": [1.0, "NaN"]}
    assert recorded(tmp_path / "b", [good, bad], 2) == [("nonfinite", "layer 1", 2)]
    outcome = {"code": "non_finite", "step": 7, "message": "the loss is NaN", "remedy": ""}
    assert recorded(tmp_path / "c", [good] * 3, 2, outcome=outcome) == [("nonfinite", "", 7)]
    assert recorded(tmp_path / "d", [good] * 3, 2, outcome={**outcome, "code": "steps"}) == []


def test_a_runs_rate_is_judged_by_all_weights_and_over_the_whole_run(tmp_path):
    def row(w, u, loss):
        return {
            "weight_norm": w,
            "update_ratio": [x / y if y else None for x, y in zip(u, w, strict=True)],
            "loss": loss,
        }

    starts_at_0 = [row([5.0, 0.01 * t], [0.01, 0.01], 1 - t / 50) for t in range(20)]
    assert recorded(tmp_path / "a", starts_at_0, 2) == []
    assert recorded(tmp_path / "b", [row([5.0], [2.0], 1.0)] * 4) == [("rate_too_high", "", 1)]
    assert recorded(tmp_path / "c", [row([5.0], [1e-5], 1.0)] * 4) == [("rate_too_low", "", 1)]
    grows = [row([0.01 * (t + 1)], [0.01], 1.0) for t in range(40)]  # all of it from 0: a step of 0.01 at each
    assert recorded(tmp_path / "z", grows) == []
    falls = [row([5.0], [1e-5], 0.99**t) for t in range(40)]  # small steps, and yet it learns
    assert recorded(tmp_path / "f", falls) == []
    assert recorded(tmp_path / "d", [row([5.0], [1e-5 * t], 1.0) for t in range(90)]) == []  # it warms up
    assert recorded(tmp_path / "e", [row([5.0], [0.1 * 0.5**t], 0.5**t) for t in range(40)]) == []  # it has converged


def test_a_loss_with_something_beside_it_is_diagnosed_as_without():
    loss, params = network("sigmoid", depth=9)
    with_aux = lambda p, b: (loss(p, b), {"seen": b[0]})  # noqa: E731
    assert str(diagnose(with_aux, params, (X, Y), has_aux=True)) == str(diagnose(loss, params, (X, Y)))
    with pytest.raises(ValueError, match="give has_aux=True"):
        diagnose(with_aux, params, (X, Y))
