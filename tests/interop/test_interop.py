"""A framework's model becomes a pure loss: with its own gradients, and with its faults found by their own names."""

import inspect
import itertools
import sys
import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

import gdfunc
from gdfunc.core import MissingExtra, leaf_paths
from gdfunc.instruments import layers
from gdfunc.interop import from_equinox, from_haiku, from_linen, from_nnx

nn = pytest.importorskip("flax.linen")
nnx = pytest.importorskip("flax.nnx")
eqx = pytest.importorskip("equinox")
hk = pytest.importorskip("haiku")

KEY = jax.random.key(0)
X = normal(0, 64, 10)
Y = normal(1, 64, 3)
IMAGES = normal(2, 16, 6, 6, 2)
LABELS = Y[:16]


def squared_error(prediction, y):
    return jnp.mean((prediction - y) ** 2)


def same(found, wanted, rtol=1e-6):
    """Equal but for the order in which float32 sums are taken, of the leaf's largest entry."""
    found, wanted = jax.tree.leaves(found), jax.tree.leaves(wanted)
    chex.assert_tree_all_finite(found)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * float(jnp.max(jnp.abs(b))))
    assert max(float(jnp.max(jnp.abs(b))) for b in wanted) > 0


# The frameworks' own way of taking gradients


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(4, (3, 3))(x)))
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=not train)(x.mean((1, 2))))


def test_a_linen_loss_has_linen_s_gradients_with_batch_statistics_and_dropout():
    module, dropout = LinenNet(), jax.random.key(3)
    loss_fn, params = from_linen(module, squared_error, KEY, IMAGES, dropout=dropout)
    variables = module.init({"params": KEY, "dropout": dropout}, IMAGES)

    def own(params):
        out, _ = module.apply(
            {"params": params, "batch_stats": variables["batch_stats"]},
            IMAGES,
            rngs={"dropout": dropout},
            mutable=["batch_stats"],
        )
        return squared_error(out, LABELS)

    same(params, variables["params"])
    same(jax.grad(loss_fn)(params, (IMAGES, LABELS)), jax.grad(own)(params))


def test_what_the_module_is_called_with_reaches_it():
    loss_fn, params = from_linen(LinenNet(), squared_error, KEY, IMAGES, train=False)
    variables = LinenNet().init(KEY, IMAGES, train=False)
    own = lambda params: squared_error(LinenNet().apply(variables | {"params": params}, IMAGES, train=False), LABELS)  # noqa: E731
    same(jax.grad(loss_fn)(params, (IMAGES, LABELS)), jax.grad(own)(params))


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.out(self.dropout(nnx.relu(self.norm(self.conv(x))).mean((1, 2))))


def test_an_nnx_loss_has_nnx_s_gradients_and_leaves_the_model_as_it_was():
    model = NnxNet(nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    loss_fn, params = from_nnx(model, squared_error)
    grads = jax.grad(loss_fn)(params, (IMAGES, LABELS))
    same(jax.grad(loss_fn)(params, (IMAGES, LABELS)), grads, rtol=0)  # the same dropout mask
    chex.assert_trees_all_equal(nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)), before)
    own = nnx.grad(lambda m: squared_error(m(IMAGES), LABELS))(NnxNet(nnx.Rngs(0)))
    same(grads, own)


def test_trained_parameters_go_back_into_an_nnx_model():
    model = nnx.Linear(10, 3, rngs=nnx.Rngs(0))
    loss_fn, params = from_nnx(model, squared_error)
    params = jax.tree.map(lambda p: p + 1, params)
    nnx.update(model, params)
    np.testing.assert_allclose(squared_error(model(X), Y), loss_fn(params, (X, Y)), rtol=1e-6)


class EquinoxNet(eqx.Module):
    conv: eqx.nn.Conv2d
    out: eqx.nn.Linear
    dropout: eqx.nn.Dropout
    steps: jax.Array

    def __init__(self, key):
        self.conv = eqx.nn.Conv2d(2, 4, 3, key=key)
        self.out = eqx.nn.Linear(4, 3, key=key)
        self.dropout = eqx.nn.Dropout(0.5)
        self.steps = jnp.array(7)  # whole numbers are no parameters

    def __call__(self, x, key=None):
        hidden = jax.nn.relu(self.conv(x)).mean((1, 2))
        return self.out(self.dropout(hidden, key=key, inference=key is None))


@pytest.mark.parametrize("dropout", [None, jax.random.key(3)], ids=["plain", "dropout"])
def test_an_equinox_loss_has_equinox_s_gradients(dropout):
    model, images = EquinoxNet(KEY), jnp.moveaxis(IMAGES, -1, 1)
    keys = None if dropout is None else jax.random.split(dropout, 16)

    @eqx.filter_grad
    def own(model):
        return squared_error(jax.vmap(model, in_axes=(0, None if keys is None else 0))(images, keys), LABELS)

    loss_fn, params = from_equinox(model, squared_error, dropout=dropout)
    assert params.steps is None
    same(jax.grad(loss_fn)(params, (images, LABELS)), own(model))


def test_an_equinox_model_that_takes_whole_batches_is_not_mapped():
    linear = eqx.nn.Linear(10, 3, key=KEY)

    class Whole(eqx.Module):
        linear: eqx.nn.Linear

        def __call__(self, x):
            assert x.ndim == 2
            return jax.vmap(self.linear)(x)

    loss_fn, params = from_equinox(Whole(linear), squared_error, batched=False)
    mapped, mapped_params = from_equinox(linear, squared_error)
    same(jax.grad(loss_fn)(params, (X, Y)), jax.grad(mapped)(mapped_params, (X, Y)))


def haiku_net(x, is_training=True):
    x = hk.Conv2D(4, 3)(x)
    x = jax.nn.relu(hk.BatchNorm(True, True, 0.9)(x, is_training)).mean((1, 2))
    return hk.Linear(3)(hk.dropout(hk.next_rng_key(), 0.5, x))


def test_a_haiku_loss_has_haiku_s_gradients_with_state_and_dropout():
    net, dropout = hk.transform_with_state(haiku_net), jax.random.key(3)
    loss_fn, params = from_haiku(net, squared_error, KEY, IMAGES, dropout=dropout)
    wanted, state = net.init(KEY, IMAGES)
    own = lambda params: squared_error(net.apply(params, state, dropout, IMAGES)[0], LABELS)  # noqa: E731
    same(params, wanted)
    same(jax.grad(loss_fn)(params, (IMAGES, LABELS)), jax.grad(own)(params))


@pytest.mark.parametrize("with_state", [False, True], ids=["plain", "state"])
@pytest.mark.parametrize("without_rng", [False, True], ids=["rng", "without_apply_rng"])
def test_every_form_of_a_haiku_function_is_taken(with_state, without_rng):
    net = (hk.transform_with_state if with_state else hk.transform)(lambda x: hk.Linear(3)(x))
    net = hk.without_apply_rng(net) if without_rng else net
    loss_fn, params = from_haiku(net, squared_error, KEY, X)
    w, b = params["linear"]["w"], params["linear"]["b"]
    np.testing.assert_allclose(loss_fn(params, (X, Y)), squared_error(X @ w + b, Y), rtol=1e-6)


# One network in four frameworks: the same loss, the same names, the same faults

DEPTH, WIDTH = 10, 32
SIZES = [10, *[WIDTH] * (DEPTH - 1), 3]


class NnxMlp(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List([nnx.Linear(n, m, rngs=rngs) for n, m in itertools.pairwise(SIZES)])

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


class LinenMlp(nn.Module):
    @nn.compact
    def __call__(self, x):
        for size in SIZES[1:-1]:
            x = nn.relu(nn.Dense(size)(x))
        return nn.Dense(SIZES[-1])(x)


def linen():
    return from_linen(LinenMlp(), squared_error, KEY, X)


def flax_nnx():
    return from_nnx(NnxMlp(nnx.Rngs(0)), squared_error)


def equinox():
    return from_equinox(eqx.nn.MLP(10, 3, WIDTH, DEPTH - 1, activation=jax.nn.relu, key=KEY), squared_error)


def haiku():
    return from_haiku(hk.transform(lambda x: hk.nets.MLP(SIZES[1:])(x)), squared_error, KEY, X)


FRAMEWORKS = {linen: "Dense_{}/kernel", flax_nnx: "layers/{}/kernel", equinox: "layers/{}/weight", haiku: "linear_{}/w"}
parametrize = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.__name__)


def weights(scale=1.0, dead=None):
    """He's weights, biases of 0.1; scaled, or one layer shut by its bias."""
    draw = np.random.default_rng(0)
    w = [scale * np.sqrt(2 / n) * draw.normal(size=(n, m)) for n, m in itertools.pairwise(SIZES)]
    b = [np.full(m, -100.0 if i == dead else 0.1) for i, m in enumerate(SIZES[1:])]
    return [jnp.asarray(x, jnp.float32) for x in w], [jnp.asarray(x, jnp.float32) for x in b]


def layer_path(framework, params, i):
    """The whole path of the i-th layer's weights."""
    (path,) = [path for path in leaf_paths(params) if FRAMEWORKS[framework].format(i) in path]
    return path


def network(framework, w, b):
    """(loss_fn, params) with these weights in place of the framework's."""
    loss_fn, params = framework()
    leaves = dict(zip(leaf_paths(params), jax.tree.leaves(params), strict=True))
    for i in range(DEPTH):
        path = layer_path(framework, params, i)
        leaves[path] = w[i].T if framework is equinox else w[i]
        ending = {linen: "kernel", flax_nnx: "kernel", equinox: "weight", haiku: "/w"}[framework]
        leaves[path.replace(ending, "/b" if framework is haiku else "bias")] = b[i]
    assert len(leaves) == 2 * DEPTH
    return loss_fn, jax.tree.unflatten(jax.tree.structure(params), leaves.values())


def by_hand(w, b):
    a = X
    for i in range(DEPTH):
        z = a @ w[i] + b[i]
        a = jnp.maximum(z, 0) if i < DEPTH - 1 else z
    return squared_error(a, Y)


@parametrize
def test_every_framework_s_loss_and_gradient_are_the_network_s_written_by_hand(framework):
    w, b = weights()
    loss_fn, params = network(framework, w, b)
    loss, grads = jax.value_and_grad(loss_fn)(params, (X, Y))
    wanted, slopes = jax.value_and_grad(by_hand)(w, b)
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)  # ten layers of rounding
    found = dict(zip(leaf_paths(params), jax.tree.leaves(grads), strict=True))
    for i in range(DEPTH):
        g = found[layer_path(framework, params, i)]
        same(g.T if framework is equinox else g, slopes[i], rtol=1e-5)


@parametrize
def test_the_layers_are_named_by_the_framework_s_own_paths_in_the_order_of_the_run(framework):
    loss_fn, params = network(framework, *weights())
    found = layers(loss_fn, params, (X, Y))
    assert [layer.name for layer in found] == [layer_path(framework, params, i) for i in range(DEPTH)]
    assert [layer.activation_name for layer in found] == ["relu"] * (DEPTH - 1) + [""]


@parametrize
def test_nothing_is_said_of_a_healthy_network(framework):
    assert gdfunc.diagnose(*network(framework, *weights()), (X, Y)).findings == ()


@parametrize
def test_weights_that_are_too_small_are_found_as_a_vanishing_gradient_from_the_first_layer(framework):
    loss_fn, params = network(framework, *weights(scale=0.3))
    (finding,) = gdfunc.diagnose(loss_fn, params, (X, Y)).findings
    assert (finding.kind, finding.layer) == ("vanishing", layer_path(framework, params, 0))
    # A relu lets through half of the gradient's squares, which He's weights make up for; all of them where biases of 0.1
    # keep it open, as they do once the signal is smaller. Half a tenth for what 32 units vary by.
    assert np.log10(0.3) - 0.05 < finding.value < np.log10(0.3 * np.sqrt(2)) + 0.05


@parametrize
def test_a_layer_shut_by_its_bias_is_found_as_dead_in_that_layer(framework):
    dead = 4
    loss_fn, params = network(framework, *weights(dead=dead))
    (finding,) = gdfunc.diagnose(loss_fn, params, (X, Y)).findings
    assert (finding.kind, finding.layer) == ("dead_units", layer_path(framework, params, dead))
    assert finding.value == 1.0


# What is said in the docstrings, and of bad input

FUNCTIONS = [from_linen, from_nnx, from_equinox, from_haiku]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_docstring_s_example_runs(function, capsys):
    lines = [line for line in inspect.getdoc(function).splitlines() if line.startswith("    ")][:3]
    names = {"x": X, "y": Y, "gdfunc": gdfunc, "jax": jax, "nn": nn, "nnx": nnx, "eqx": eqx, "hk": hk}
    exec(textwrap.dedent("\n".join(lines)), names | {"squared_error": squared_error, function.__name__: function})
    assert capsys.readouterr().out == "nothing found\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_linen(LinenMlp, squared_error, KEY, X), "from_linen needs a flax.linen.Module.*class LinenMlp"),
        (lambda: from_linen(NnxMlp(nnx.Rngs(0)), squared_error, KEY, X), "flax.linen.Module.*given NnxMlp"),
        (lambda: from_nnx(LinenMlp(), squared_error), "from_nnx needs a flax.nnx.Module.*given LinenMlp"),
        (lambda: from_equinox(jnp.tanh, squared_error), "from_equinox needs an equinox.Module"),
        (lambda: from_haiku(lambda x: x, squared_error, KEY, X), "from_haiku needs what haiku.transform"),
        (lambda: linen()[0](linen()[1], X), r"from_linen's loss needs batch = \(x, y\), and was given ArrayImpl"),
        (lambda: haiku()[0](haiku()[1], (X,)), "from_haiku's loss needs batch.*given 1 parts"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("module", "call", "package"),
    [
        ("flax.linen", lambda: from_linen(None, squared_error, KEY, X), "flax"),
        ("flax.nnx", lambda: from_nnx(None, squared_error), "flax"),
        ("equinox", lambda: from_equinox(jnp.tanh, squared_error), "equinox"),
        ("haiku", lambda: from_haiku(None, squared_error, KEY, X), "dm-haiku"),
    ],
)
def test_a_framework_that_is_missing_is_named_with_what_installs_it(monkeypatch, module, call, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=f"gdfunc needs .*: pip install {package}$"):
        call()
