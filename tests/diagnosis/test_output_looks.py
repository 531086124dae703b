"""What the loss makes of the outputs, and what the outputs make of the inputs: `loss_mismatch`, `shattered_gradients`."""

import json
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.diagnosis import diagnose
from gdfunc.diagnosis._mismatch import MISMATCH, Reach, reach
from gdfunc.diagnosis._output import last_output
from gdfunc.diagnosis._shattered import NEARBY, SHATTERED, alikeness
from gdfunc.instruments import trace

rng = np.random.default_rng(0)
X = rng.standard_normal((64, 8)).astype(np.float32)
CLASSES, TARGETS = rng.integers(0, 10, 64), rng.standard_normal((64, 10)).astype(np.float32)
PARAMS = {
    "first": rng.standard_normal((8, 16)).astype(np.float32) / 2,
    "last": rng.standard_normal((16, 10)).astype(np.float32) / 3,
}
ONE = {**PARAMS, "last": PARAMS["last"][:, :1]}
diagnosed = partial(diagnose, remedies=False)
overlap = lambda p, y: 1.001 - 2 * jnp.sum(p * y) / jnp.sum(jnp.abs(p) + y)  # noqa: E731
cross_entropy = lambda z, y: gd.losses.mean(gd.losses.softmax_cross_entropy(z, y))  # noqa: E731


def of(head):
    """The loss of what a small network gives."""
    return lambda p, batch: head(jnp.tanh(batch[0] @ p["first"]) @ p["last"], batch[1])


# --- A loss that the outputs do not fit --------------------------------------------------------------------------------

UNFIT = {
    "softmax twice": (lambda z, y: cross_entropy(jax.nn.softmax(z), y), PARAMS, CLASSES, "softmax"),
    "softmax over one": (lambda z, y: jnp.mean((jax.nn.softmax(z) - y) ** 2), ONE, np.sign(X[:, :1]) > 0, "softmax"),
    "relu": (lambda z, y: jnp.mean((jax.nn.relu(z) - y) ** 2), PARAMS, TARGETS, "relu"),
    "tanh": (lambda z, y: jnp.mean((jnp.tanh(z) - 3 * y) ** 2), PARAMS, TARGETS, "tanh"),
    "(n, 1) - (n,)": (lambda z, y: jnp.mean((z - y) ** 2), ONE, TARGETS[:, 0], "broadcast"),
}  # fmt: skip
FIT = {
    "log of a softmax": (lambda z, y: -jnp.mean(jnp.log(jax.nn.softmax(z))[jnp.arange(64), y]), CLASSES),
    "smooth labels of a softmax": (
        lambda z, y: -jnp.mean(gd.losses.smooth_labels(jax.nn.one_hot(y, 10), 0.1) * jnp.log(jax.nn.softmax(z))), CLASSES,
    ),
    "relu in range": (lambda z, y: jnp.mean((jax.nn.relu(z) - jnp.abs(y)) ** 2), TARGETS),
    "tanh in range": (lambda z, y: jnp.mean((jnp.tanh(z) - jnp.tanh(y)) ** 2), TARGETS),
    "overlap": (lambda z, y: overlap(jax.nn.sigmoid(z), y > 0), TARGETS),
    "hinge": (lambda z, y: jnp.mean(jnp.maximum(0, 1 - z * jnp.sign(y))), TARGETS),
}  # fmt: skip


@cache
def reached(name):
    head, params, y, _ = UNFIT[name]
    return reach(trace("test", of(head), params, (X, y)), params, (X, y))


@pytest.mark.parametrize("name", UNFIT)
def test_outputs_that_cannot_bring_the_loss_down_are_told_with_what_stands_in_the_way(name):
    assert reached(name).lost > MISMATCH
    assert reached(name).by == UNFIT[name][-1]


@pytest.mark.parametrize("name", FIT)
def test_losses_that_the_outputs_fit_can_be_brought_all_the_way_down(name):
    head, y = FIT[name]
    assert reach(trace("test", of(head), PARAMS, (X, y)), PARAMS, (X, y)).lost < 0.01


def test_how_far_the_loss_can_be_brought_is_what_arithmetic_says():
    # Softmax twice: at best probability 1 for the label and 0 for nine others, of which the second softmax makes this.
    twice = reached("softmax twice")
    assert twice.free == pytest.approx(-np.log(np.e / (np.e + 9)), rel=1e-3)
    assert twice.low == pytest.approx(0, abs=1e-3)
    assert twice.lost == pytest.approx((twice.free - twice.low) / (twice.loss - twice.low))
    # A relu, a tanh: what the labels have beyond their ends stays as far away as it is. 300 steps of Adam.
    assert reached("relu").free == pytest.approx(np.mean(np.minimum(TARGETS, 0) ** 2), rel=5e-3)
    beyond = np.maximum(np.abs(3 * TARGETS) - 1, 0)
    assert reached("tanh").free == pytest.approx(np.mean(beyond**2), rel=5e-3)
    # (n, 1) against (n,): the best for every pair is the mean, and the variance remains.
    assert reached("(n, 1) - (n,)").free == pytest.approx(np.var(TARGETS[:, 0]), rel=1e-3)


def test_what_is_added_to_the_loss_does_not_hide_a_mismatch_or_make_one():
    softmax_twice = lambda p, b: of(UNFIT["softmax twice"][0])(p, b) + 7  # noqa: E731
    found = reach(trace("test", softmax_twice, PARAMS, (X, CLASSES)), PARAMS, (X, CLASSES))
    assert found.lost == pytest.approx(reached("softmax twice").lost, rel=1e-3)
    capped = of(lambda z, y: cross_entropy(30 * jnp.tanh(z / 30), y))
    decayed = lambda p, b: capped(p, b) + 10 * jnp.sum(p["last"] ** 2)  # noqa: E731
    assert diagnosed(decayed, PARAMS, (X, CLASSES)).findings == ()


def test_a_loss_that_goes_below_0_is_left_alone():
    assert Reach(loss=-0.4, free=-1.0, low=-2.0, by="sigmoid").lost == 0
    assert Reach(loss=2.4, free=1.0, low=0.0, by="sigmoid").lost == pytest.approx(1 / 2.4)


def test_a_squash_beside_which_the_outputs_are_used_too_holds_nothing_up():
    penalised = of(lambda z, y: jnp.mean((jnp.tanh(z) - 3 * y) ** 2 + z**2))
    assert reach(trace("test", penalised, PARAMS, (X, TARGETS)), PARAMS, (X, TARGETS)) is None


@pytest.mark.parametrize("pair", [lambda z: z - z[:, 0], lambda z: z @ z.T], ids=["differences", "products"])
def test_pairs_of_outputs_are_no_accident(pair):
    batch, contrast = (X, TARGETS[:, :1]), of(lambda z, y: jnp.mean((pair(z) - pair(y)) ** 2))
    assert reach(trace("test", contrast, ONE, batch), ONE, batch) is None


def test_outputs_of_half_precision_are_followed_in_single():
    head, params, y, _ = UNFIT["relu"]

    def halved(p, batch):
        z = jnp.tanh(batch[0] @ p["first"]).astype(jnp.bfloat16) @ p["last"].astype(jnp.bfloat16)
        return head(z, batch[1].astype(jnp.bfloat16)).astype(jnp.float32)

    found = reach(trace("test", halved, params, (X, y)), params, (X, y))
    assert found.free == pytest.approx(np.mean(np.minimum(TARGETS, 0) ** 2), rel=0.02)  # a few of bfloat16's 2**-8


def test_where_no_output_is_to_be_found_nothing_is_minimised():
    inside = {"weight": jnp.ones((3, 8, 8)) / 8}
    walk = lambda p, x: jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, p["weight"])[0]  # noqa: E731
    two = lambda p, b: jnp.mean((b[0] @ p["first"]) ** 2) + jnp.mean(jax.nn.relu(b[0] @ p["other"]) - 3)  # noqa: E731
    slope = lambda p, x: jnp.mean(jax.vmap(jax.grad(lambda x: (jnp.tanh(x @ p["first"]) @ p["last"])[0]))(x) ** 2)  # noqa: E731
    for loss, params, batch in (
        (lambda p, x: jnp.mean((walk(p, x) - 5) ** 2), inside, X),  # the last layer is one of a scan's
        (two, {"first": PARAMS["first"], "other": PARAMS["first"]}, (X,)),  # two heads
        (slope, ONE, X),  # derivatives of the output
    ):
        traced = trace("test", loss, params, batch)
        assert last_output(traced) is None
        assert reach(traced, params, batch) is None


def test_a_mismatch_names_a_remedy_that_mends_it_and_is_json():
    head, params, y, _ = UNFIT["softmax twice"]
    found = diagnose(of(head), params, (X, y))
    (finding,) = found.findings
    assert (finding.kind, finding.layer, finding.threshold) == ("loss_mismatch", "last", MISMATCH)
    assert "falls only from 2.3" in finding.statement
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))["findings"][0]
    assert plain["remedies"][0]["name"].startswith("hand the loss what goes into the softmax")
    assert not plain["remedies"][0]["tried"]
    assert diagnose(of(cross_entropy), params, (X, y)).findings == ()  # as it says


# --- Gradients that shatter --------------------------------------------------------------------------------------------

WIDTH, DEPTH = 24, 40
DIGITS = gd.data.digits()
BATCH = DIGITS.x_train[:64], DIGITS.y_train[:64]


def drawn(shapes, gain):
    """Weights of standard deviation gain / sqrt(fan in), biases 0."""
    draws = np.random.default_rng(3)

    def one(path, s):
        size = 0 if path[-1].key == "bias" else gain / s.shape[-2] ** 0.5
        return jnp.asarray(size * draws.standard_normal(s.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(one, shapes)


def chaotic(depth, outputs):
    """(model, parameters) of a tanh network whose weights are so large that what is near does not stay near."""
    model = gd.models.mlp((64, *[48] * (depth - 1), outputs), "tanh")
    return model, drawn(jax.eval_shape(model.init, jax.random.key(0)), 2.5)


@cache
def deep(skips):
    """(loss, parameters) of relu layers normalised over the batch, plain or with skip connections."""

    def layer(x, w):
        z = x @ w
        z = jax.nn.relu((z - z.mean(0)) / jnp.sqrt(z.var(0) + 1e-5))
        return x + z / np.sqrt(DEPTH) if skips else z, None

    loss = lambda p, b: cross_entropy(jax.lax.scan(layer, b[0] @ p["first"], p["hidden"])[0] @ p["last"], b[1])  # noqa: E731
    sizes = {"first": (64, WIDTH), "hidden": (DEPTH, WIDTH, WIDTH), "last": (WIDTH, 10)}
    return loss, drawn({name: np.zeros(size) for name, size in sizes.items()}, 2**0.5)


def test_gradients_of_a_deep_plain_network_shatter_and_with_skip_connections_they_do_not():
    (finding,) = diagnosed(*deep(False), BATCH).findings
    assert (finding.kind, finding.layer) == ("shattered_gradients", "")
    assert finding.value < finding.threshold == SHATTERED
    assert diagnosed(*deep(True), BATCH).findings == ()


def test_the_cosine_is_that_of_gradients_by_jax_of_inputs_nearby():
    model, params = chaotic(16, 1)
    x = BATCH[0]
    number = alikeness(
        trace("test", lambda p, b: jnp.mean((model.apply(p, b[0])[:, 0] - b[1]) ** 2), params, BATCH), BATCH
    )
    nearby = x + NEARBY * np.std(x) * np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    slope = jax.vmap(jax.grad(lambda x: model.apply(params, x)[0]))  # one output: its factor does not turn a gradient
    a, b = (np.asarray(slope(x), np.float64) for x in (x, nearby))
    cosines = np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert 1e-4 < 1 - np.median(cosines) < 0.1
    np.testing.assert_allclose(1 - number(params), 1 - np.median(cosines), rtol=0.01)  # float32: a difference from 1


def test_weights_drawn_anew_are_tried_against_shattered_gradients():
    model, params = chaotic(40, 10)
    loss = lambda p, b: cross_entropy(model.apply(p, b[0]), b[1])  # noqa: E731
    found = diagnose(loss, params, BATCH, rule=gd.rules.Adam(1e-3), steps=5).findings
    (finding,) = (each for each in found if each.kind == "shattered_gradients")
    first = finding.remedies[0]
    assert first.helps
    assert first.before == finding.value < SHATTERED <= first.after
    assert first.losses is not None
    assert finding.losses is not None


def test_whole_numbers_have_no_gradient_to_shatter():
    tokens, params = rng.integers(0, 5, (16, 3)), {"table": jnp.ones((5, 8)), "last": PARAMS["first"][:, :10]}
    loss = lambda p, b: cross_entropy(p["table"][b[0]].mean(1) @ p["last"], b[1])  # noqa: E731
    batch = (tokens, CLASSES[:16])
    assert alikeness(trace("test", loss, params, batch), batch) is None
