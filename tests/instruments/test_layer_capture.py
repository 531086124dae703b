"""Every layer's arrays and gradients are those of the forward pass written out by hand, whatever the model is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _by_hand import assert_close, assert_found, by_hand
from _numbers import normal
from jax import lax

import gdfunc as gd
from gdfunc import core
from gdfunc.instruments import layers, look_at
from gdfunc.instruments._trace import trace

KEY = jax.random.key(0)
X = normal(0, 8, 10)
Y = normal(1, 8, 3)


def squared_error(prediction, y):
    return jnp.mean((prediction - y) ** 2)


def draw(*shape, seed=0):
    return normal(seed, *shape) / np.sqrt(shape[0])


PARAMS = {
    "hidden": {"w": draw(10, 8), "b": draw(8, seed=1)},
    "out": {"w": draw(8, 3, seed=2), "b": draw(3, seed=3)},
}


def mlp(activation):
    """A loss of one hidden layer, and the same with taps."""

    def loss(params, batch):
        h = activation(batch[0] @ params["hidden"]["w"] + params["hidden"]["b"])
        return squared_error(h @ params["out"]["w"] + params["out"]["b"], batch[1])

    def tapped(tap, params, batch):
        a = tap(("hidden/w", "input"), batch[0])
        z = tap(("hidden/w", "output"), a @ params["hidden"]["w"] + params["hidden"]["b"])
        h = tap(("out/w", "input"), tap(("hidden/w", "activation"), activation(z)))
        return squared_error(tap(("out/w", "output"), h @ params["out"]["w"] + params["out"]["b"]), batch[1])

    return loss, tapped


ACTIVATIONS = {
    "relu": jax.nn.relu,
    "relu, by maximum": lambda z: jnp.maximum(z, 0),
    "gelu": jax.nn.gelu,
    "gelu, exact": lambda z: jax.nn.gelu(z, approximate=False),
    "silu": jax.nn.silu,
    "silu, written out": lambda z: z * jax.nn.sigmoid(z),
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "leaky_relu": jax.nn.leaky_relu,
    "where": lambda z: jnp.where(z > 0, z, 0.1 * z),
    "where, of the library": core.leaky_relu,
    "clip": lambda z: jnp.clip(z, -1, 1),
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "sin": jnp.sin,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_plain_function_s_layers_are_as_written_out_and_the_activation_is_named(name):
    loss, tapped = mlp(ACTIVATIONS[name])
    found = layers(loss, PARAMS, (X, Y))
    assert_found(found, tapped, PARAMS, (X, Y))
    hidden, out = found
    assert (hidden.activation_name, out.activation_name) == (name.partition(",")[0], "")
    assert hidden.squashes == (name in ("tanh", "sigmoid"))
    assert (hidden.kind, hidden.weights, hidden.bias) == ("dot_general", ("hidden/w",), ("hidden/b",))
    assert (out.weights, out.bias) == (("out/w",), ("out/b",))
    assert (hidden.first, out.first) == (True, False)
    assert all(layer.reached and not layer.turns and layer.index == () and layer.unit_axis == -1 for layer in found)


def test_a_squashed_output_is_an_activation_and_what_the_loss_does_is_none():
    squashed = lambda p, b: squared_error(jax.nn.sigmoid(b[0] @ p), b[1])  # noqa: E731
    (layer,) = layers(squashed, draw(10, 3), (X, Y))
    assert (layer.activation_name, layer.squashes) == ("sigmoid", True)
    hinge = lambda p, b: jnp.mean(jnp.maximum(1 - b[1] * (b[0] @ p), 0))  # noqa: E731
    (layer,) = layers(hinge, draw(10, 3), (X, Y))
    assert (layer.activation_name, layer.activation) == ("", None)


# Models of the frameworks, their parameters in a forward pass written by hand


def stack(names, activation, turn=False):
    """A tapped loss of dense layers: names of (weights, bias) in the order of the run."""

    def tapped(tap, params, batch):
        leaves = dict(zip(core.leaf_paths(params), jax.tree.leaves(params), strict=True))
        a = batch[0]
        for i, (w, b) in enumerate(names):
            a = tap((w, "input"), a)
            z = tap((w, "output"), a @ (leaves[w].T if turn else leaves[w]) + leaves[b])
            a = tap((w, "activation"), activation(z)) if i < len(names) - 1 else z
        return squared_error(a, batch[1])

    return tapped


def linen_mlp():
    nn = pytest.importorskip("flax.linen")

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(3)(nn.gelu(nn.Dense(7)(nn.gelu(nn.Dense(6)(x)))))

    # The outer layers are made first: Linen numbers them so.
    params = Mlp().init(KEY, X)["params"]
    names = [(f"Dense_{i}/kernel", f"Dense_{i}/bias") for i in (2, 1, 0)]
    return lambda p, b: squared_error(Mlp().apply({"params": p}, b[0]), b[1]), params, names, "gelu", False


def nnx_mlp():
    nnx = pytest.importorskip("flax.nnx")

    class Mlp(nnx.Module):
        def __init__(self, rngs):
            self.wide = nnx.Linear(10, 7, rngs=rngs)
            self.narrow = nnx.Linear(7, 6, rngs=rngs)
            self.last = nnx.Linear(6, 3, rngs=rngs)

        def __call__(self, x):
            return self.last(nnx.relu(self.narrow(nnx.relu(self.wide(x)))))

    graph, params = nnx.split(Mlp(nnx.Rngs(0)))
    (ending,) = {path.partition("kernel")[2] for path in core.leaf_paths(params) if "kernel" in path}
    names = [(f"{name}/kernel{ending}", f"{name}/bias{ending}") for name in ("wide", "narrow", "last")]
    return lambda p, b: squared_error(nnx.merge(graph, p)(b[0]), b[1]), params, names, "relu", False


def equinox_mlp():
    eqx = pytest.importorskip("equinox")
    mlp = eqx.nn.MLP(10, 3, 6, 2, activation=jax.nn.silu, key=KEY)
    params, static = eqx.partition(mlp, eqx.is_inexact_array)
    names = [(f"layers/{i}/weight", f"layers/{i}/bias") for i in range(3)]
    return lambda p, b: squared_error(jax.vmap(eqx.combine(p, static))(b[0]), b[1]), params, names, "silu", True


def haiku_mlp():
    hk = pytest.importorskip("haiku")
    net = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([7, 6, 3], activation=jnp.tanh)(x)))
    names = [(f"mlp/~/linear_{i}/w", f"mlp/~/linear_{i}/b") for i in range(3)]
    return lambda p, b: squared_error(net.apply(p, b[0]), b[1]), net.init(KEY, X), names, "tanh", False


@pytest.mark.parametrize("model", [linen_mlp, nnx_mlp, equinox_mlp, haiku_mlp], ids=lambda model: model.__name__)
def test_a_framework_s_layers_are_as_written_out(model):
    loss, params, names, activation, turn = model()
    params = jax.tree.map(lambda p: p + 0.1, params)  # biases that are 0 add nothing
    found = layers(loss, params, (X, Y))
    assert_found(found, stack(names, ACTIVATIONS[activation], turn), params, (X, Y))
    assert [layer.activation_name for layer in found] == [activation, activation, ""]
    assert [layer.bias for layer in found] == [(bias,) for _, bias in names]


def test_a_convolutional_network_with_batch_norm():
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            for features in (4, 5):
                x = nn.relu(nn.BatchNorm(use_running_average=False)(nn.Conv(features, (3, 3), strides=2)(x)))
            return nn.Dense(3)(x.mean((1, 2)))

    images = normal(0, 8, 9, 9, 2)
    variables = Net().init(KEY, images)
    params = jax.tree.map(lambda p: p + 0.1, variables["params"])

    def loss(params, batch):
        stats = {"batch_stats": variables["batch_stats"]}
        out, new = Net().apply({"params": params, **stats}, batch[0], mutable=["batch_stats"])
        return squared_error(out, batch[1]), new

    def tapped(tap, params, batch):
        a = batch[0]
        for i in range(2):
            conv, norm = params[f"Conv_{i}"], params[f"BatchNorm_{i}"]
            a = tap((f"Conv_{i}/kernel", "input"), a)
            z = lax.conv_general_dilated(a, conv["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            z = tap((f"Conv_{i}/kernel", "output"), z + conv["bias"])
            mean, var = jnp.mean(z, (0, 1, 2)), jnp.var(z, (0, 1, 2))
            z = (z - mean) / jnp.sqrt(var + 1e-5) * norm["scale"] + norm["bias"]
            a = tap((f"Conv_{i}/kernel", "activation"), jnp.maximum(z, 0))
        a = tap(("Dense_0/kernel", "input"), a.mean((1, 2)))
        dense = params["Dense_0"]
        return squared_error(tap(("Dense_0/kernel", "output"), a @ dense["kernel"] + dense["bias"]), batch[1])

    found = layers(loss, params, (images, Y), has_aux=True)
    assert_found(found, tapped, params, (images, Y))
    assert [layer.activation_name for layer in found] == ["relu", "relu", ""]
    assert [layer.kind for layer in found] == ["conv_general_dilated"] * 2 + ["dot_general"]
    assert [layer.bias for layer in found] == [("Conv_0/bias",), ("Conv_1/bias",), ("Dense_0/bias",)]


def test_a_residual_network_whose_inputs_go_two_ways():
    blocks = [{"up": draw(6, 9, seed=i), "down": draw(9, 6, seed=5 + i)} for i in range(3)]
    params = {"blocks": blocks, "enter": draw(10, 6), "leave": draw(6, 3)}

    def tapped(tap, params, batch):
        h = tap(("enter", "output"), tap(("enter", "input"), batch[0]) @ params["enter"])
        for i, block in enumerate(params["blocks"]):
            up, down = f"blocks/{i}/up", f"blocks/{i}/down"
            h = tap((up, "input"), h)  # into the branch and past it: the gradient is of both
            a = tap((up, "activation"), jax.nn.relu(tap((up, "output"), h @ block["up"])))
            h = h + tap((down, "output"), tap((down, "input"), a) @ block["down"])
        return squared_error(tap(("leave", "output"), tap(("leave", "input"), h) @ params["leave"]), batch[1])

    loss = lambda params, batch: tapped(lambda name, x: x, params, batch)  # noqa: E731
    found = layers(loss, params, (X, Y))
    assert_found(found, tapped, params, (X, Y))
    assert [layer.activation_name for layer in found] == ["", *["relu", ""] * 3, ""]


def test_an_lstm_s_turns_stand_on_a_leading_axis():
    hk = pytest.importorskip("haiku")

    def run(xs):
        core = hk.LSTM(4)
        out, _ = hk.dynamic_unroll(core, jnp.moveaxis(xs, 0, 1), core.initial_state(xs.shape[0]))
        return hk.Linear(3)(out[-1])

    net = hk.without_apply_rng(hk.transform(run))
    xs = normal(0, 8, 6, 5)
    params = jax.tree.map(lambda p: p + 0.1, net.init(KEY, xs))

    def tapped(tap, params, batch):
        h = c = jnp.zeros((8, 4))
        for t in range(6):
            a = tap((f"turn {t}", "input"), jnp.concatenate([batch[0][:, t], h], -1))
            z = tap((f"turn {t}", "output"), a @ params["lstm/linear"]["w"] + params["lstm/linear"]["b"])
            i, g, f, o = jnp.split(z, 4, -1)  # Haiku's order, and its 1 added to the forget gate
            c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
        h = tap(("linear/w", "input"), h)
        return squared_error(tap(("linear/w", "output"), h @ params["linear"]["w"] + params["linear"]["b"]), batch[1])

    lstm, linear = layers(lambda p, b: squared_error(net.apply(p, b[0]), b[1]), params, (xs, Y))
    assert [lstm.name, linear.name] == ["lstm/linear/w", "linear/w"]
    assert (lstm.turns, linear.turns, lstm.index) == (True, False, ())
    values, gradients = by_hand(tapped, params, (xs, Y))
    for place in ("input", "output"):
        together = lambda of, place=place: np.stack([of[f"turn {t}", place] for t in range(6)])  # noqa: E731
        assert_close(getattr(lstm, place), together(values), place)
        assert_close(getattr(lstm, f"{place}_gradient"), together(gradients), f"gradient of {place}")
        assert_close(getattr(linear, f"{place}_gradient"), gradients["linear/w", place], place)


# A transformer whose layers are scanned and recomputed


LAYERS, WIDTH, HEADS = 4, 8, 2
TOKENS = jax.random.randint(KEY, (5, 7), 1, 11).at[:, 5:].set(0)  # 0 pads


def normalised(x):
    mean = jnp.mean(x, -1, keepdims=True)
    var = jnp.maximum(jnp.mean(x**2, -1, keepdims=True) - mean**2, 0)
    return (x - mean) * lax.rsqrt(var + 1e-6)


def block(tap, p, h, mask):
    n = tap(("query", "input"), normalised(h))
    q, k, v = (tap((name, "output"), n @ p[name]).reshape(5, 7, HEADS, -1) for name in ("query", "key", "value"))
    scores = jnp.where(mask, jnp.einsum("bqhd,bkhd->bhqk", q, k) / 2, -1e9)
    a = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v).reshape(5, 7, WIDTH)
    h = h + tap(("mix", "output"), tap(("mix", "input"), a) @ p["mix"])
    z = tap(("up", "output"), tap(("up", "input"), normalised(h)) @ p["up"] + p["bias"])
    return h + tap(("down", "output"), tap(("down", "input"), tap(("up", "activation"), jax.nn.gelu(z))) @ p["down"])


def transformer(params, tokens, run, tap=lambda name, x: x):
    mask = (tokens > 0)[:, None, None, :] & jnp.tril(jnp.ones((7, 7), bool))
    h = run(params["blocks"], params["table"][tokens], mask)
    logits = tap(("table#2", "output"), tap(("table#2", "input"), normalised(h)) @ params["table"].T)
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits)[:, :-1], tokens[:, 1:, None], -1)
    return -jnp.mean(picked)


def scanned(blocks, h, mask):
    body = jax.checkpoint(lambda p, h: block(lambda name, x: x, p, h, mask))
    return lax.scan(lambda h, p: (body(p, h), None), h, blocks)[0]


def unrolled(tap=lambda name, x: x):
    def run(blocks, h, mask):
        for i in range(LAYERS):
            named = lambda name, x, i=i: tap((f"blocks/{name[0]}[{i}]", name[1]), x)  # noqa: E731
            h = block(named, jax.tree.map(lambda w, i=i: w[i], blocks), h, mask)
        return h

    return run


def transformer_params():
    shapes = dict.fromkeys(("query", "key", "value", "mix"), (WIDTH, WIDTH))
    shapes |= {"up": (WIDTH, 16), "down": (16, WIDTH)}
    blocks = {
        name: jnp.stack([draw(*shape, seed=10 * i + j) for i in range(LAYERS)])
        for j, (name, shape) in enumerate(shapes.items())
    }
    return {"blocks": blocks | {"bias": jnp.full((LAYERS, 16), 0.1)}, "table": draw(11, WIDTH, seed=99)}


def test_scanned_and_recomputed_layers_are_given_apart_and_equal_the_loop_written_out():
    params = transformer_params()
    found = {layer.name: layer for layer in layers(lambda p, t: transformer(p, t, scanned), params, TOKENS)}
    tapped = lambda tap, p, t: transformer(p, t, unrolled(tap), tap)  # noqa: E731
    values, gradients = by_hand(tapped, params, TOKENS)
    names = ("query", "key", "value", "mix", "up", "down")
    in_a_block = [f"blocks/{name}[{i}]" for name in names for i in range(LAYERS)]
    assert list(found) == ["table", *in_a_block, "table#2"]
    for (name, place), value in values.items():
        assert_close(getattr(found[name], place), value, f"{name} {place}")
        assert_close(getattr(found[name], f"{place}_gradient"), gradients[name, place], f"gradient of {name} {place}")
    for i in range(LAYERS):
        up = found[f"blocks/up[{i}]"]
        assert (up.activation_name, up.bias, up.index, up.turns) == ("gelu", ("blocks/bias",), (i,), False)
    # Neither max(var, 0), nor softmax's max, nor the mask that is made of the batch.
    assert {layer.activation_name for name, layer in found.items() if "/up[" not in name} == {""}
    table = found["table"]
    assert (table.kind, table.input, table.input_gradient) == ("gather", None, None)
    assert_close(table.output, params["table"][TOKENS], "rows of the table")


def test_scanned_layers_equal_those_that_are_found_in_the_unrolled_loop():
    params = transformer_params()
    apart = {layer.name: layer for layer in layers(lambda p, t: transformer(p, t, scanned), params, TOKENS)}
    loop = {layer.name: layer for layer in layers(lambda p, t: transformer(p, t, unrolled()), params, TOKENS)}
    for name in ("query", "key", "value", "mix", "up", "down"):
        for i in range(LAYERS):
            one, other = apart[f"blocks/{name}[{i}]"], loop[f"blocks/{name}{f'#{i + 1}' * (i > 0)}"]
            for place in ("input", "output", "input_gradient", "output_gradient"):
                assert_close(getattr(one, place), getattr(other, place), f"{name} {i} {place}")


# What is reached, what is not seen, and what is not an activation


def test_a_branch_that_is_not_taken_is_zero_and_not_reached():
    def loss(params, batch):
        taken = lambda: jnp.tanh(batch[0] @ params["taken"])  # noqa: E731
        other = lambda: jax.nn.relu(batch[0] @ params["other"])  # noqa: E731
        frozen = lax.stop_gradient(batch[0] @ params["frozen"])
        return squared_error((lax.cond(batch[0][0, 0] > -100, taken, other) + frozen) @ params["out"], batch[1])

    params = {"taken": draw(10, 8), "other": draw(10, 8), "frozen": draw(10, 8), "out": draw(8, 3)}
    found = {layer.name: layer for layer in layers(loss, params, (X, Y))}
    assert {name: layer.reached for name, layer in found.items()} == {
        "frozen": False,
        "taken": True,
        "other": False,
        "out": True,
    }
    assert_close(found["taken"].output, X @ params["taken"], "the branch taken")
    assert not np.any(found["other"].output)
    assert not np.any(found["other"].output_gradient)


def test_an_activation_in_another_loop_than_its_layer_has_other_turns_and_is_left_out():
    def loss(params, batch):
        z = batch[0] @ params["w"]
        turn = lambda c, _: (c + jnp.tanh(z), None)  # noqa: E731
        return squared_error(lax.scan(turn, jnp.zeros_like(z), None, length=3)[0] @ params["out"], batch[1])

    def rows(params, batch):
        turn = lambda c, z: (c + jnp.tanh(z), None)  # noqa: E731
        return squared_error(lax.scan(turn, jnp.zeros(8), batch[0] @ params["w"])[0] @ params["out"], batch[1][0])

    def after(params, batch):
        turn = lambda c, w: (c @ w, None)  # noqa: E731
        return jnp.mean(jax.nn.relu(lax.scan(turn, batch[0], params["w"])[0]) @ params["out"])

    for each, w, out in ((loss, (10, 8), (8, 3)), (rows, (10, 8), (8, 3)), (after, (2, 10, 10), (10, 3))):
        found = layers(each, {"w": draw(*w), "out": draw(*out)}, (X, Y))
        assert {layer.activation_name for layer in found} == {""}
        assert all(layer.reached for layer in found)


def test_what_a_loss_prints_changes_none_of_its_layers(capfd):
    def loss(p, x, say):
        z = x @ p["a"]
        say(z)
        a = jax.nn.relu(z)
        say(a)
        return jnp.mean((a @ p["b"]) ** 2)

    params = {"a": draw(10, 10), "b": draw(10, 3)}
    quiet = layers(lambda p, x: loss(p, x, lambda _: None), params, X)
    found = layers(lambda p, x: loss(p, x, lambda z: jax.debug.print("printed {}", z[0, 0])), params, X)
    assert [(one.name, one.activation_name) for one in found] == [("a", "relu"), ("b", "")]
    for one, other in zip(found, quiet, strict=True):
        np.testing.assert_array_equal(one.output_gradient, other.output_gradient)
    jax.effects_barrier()
    assert "printed" in capfd.readouterr().out


def test_layers_in_a_while_loop_are_said_to_be_unseen():
    def loss(p, x):
        settled = lax.while_loop(lambda a: jnp.max(a) > 10, lambda a: jnp.tanh(a @ lax.stop_gradient(p)), x)
        return jnp.mean((lax.stop_gradient(settled) @ p) ** 2)

    (sentence,) = trace("test", loss, draw(10, 10), X).unseen
    assert sentence.startswith("layers inside a while loop at ")
    assert "test_layer_capture.py" in sentence
    with pytest.warns(UserWarning, match="layers inside a while loop at .* are not seen"):
        assert len(layers(loss, draw(10, 10), X)) == 1
    with pytest.raises(ValueError, match=r"found no such operation \(layers inside a while loop at .* are not seen\)"):
        layers(lambda p, x: jnp.sum(lax.while_loop(lambda a: jnp.max(a) > 10, lambda a: a @ p, x)), draw(10, 10), X)


MASK = jnp.arange(8) % 2 == 0


@pytest.mark.parametrize(
    "between",
    [
        lambda z, x: normalised(z),
        lambda z, x: jax.nn.softmax(z),
        lambda z, x: jnp.where(MASK, z, -1e9),
        lambda z, x: jnp.where(x[:, :8] > 0, z, 0.0),  # a mask that comes with the batch
        lambda z, x: z * MASK,
        lambda z, x: z * 2 + 1,
        lambda z, x: z / jnp.maximum(jnp.linalg.norm(z), 1e-6),
        lambda z, x: z / jnp.sqrt(jnp.mean(z**2, -1, keepdims=True) + 1e-6),
    ],
    ids=["layer norm", "softmax", "mask", "mask of data", "product", "scale", "norm", "rms norm"],
)
def test_what_is_no_activation_is_not_taken_for_one(between):
    loss = lambda p, b: squared_error(between(b[0] @ p["w"], b[0]) @ p["out"], b[1])  # noqa: E731
    found = layers(loss, {"w": draw(10, 8), "out": draw(8, 3)}, (X, Y))
    assert [(layer.name, layer.activation_name) for layer in found] == [("w", ""), ("out", "")]


# Which axis the units lie on: a unit whose weights are 0 changes the output there, and nowhere else

N = 6  # as many examples as units, so that their number does not tell


def dense(p, x):
    return jnp.tanh(x @ p["w"]) @ p["out"]


def mapped(p, x):
    return jax.vmap(lambda row: p["out"].T @ jnp.tanh(p["w"].T @ row))(x)


def mapped_with_bias(p, x):
    return jax.vmap(lambda row: p["out"].T @ jnp.tanh(p["w"].T @ row + 0 * p["out"][:, 0]))(x)


def units_first(p, x):
    return (p["out"].T @ jnp.tanh(p["w"].T @ x.T)).T


def turned_first(p, x):
    return jnp.tanh((p["w"].T @ x.T).T) @ p["out"]


def in_einsum(p, x):
    return jnp.einsum("ui,ou->io", jnp.einsum("wu,iw->ui", p["w"], x), p["out"].T)


def channels_first(p, x):
    kernel = p["w"].T[:, :1, None, None]
    z = jax.vmap(lambda row: lax.conv_general_dilated(row[None, None, None], kernel, (1, 1), "SAME")[0])(x)
    return jnp.tanh(z)[:, :, 0, 0] @ p["out"]


@pytest.mark.parametrize(
    "model",
    [dense, mapped, mapped_with_bias, units_first, turned_first, in_einsum, channels_first],
    ids=lambda model: model.__name__,
)
def test_the_unit_axis_is_the_one_along_which_a_unit_s_weights_act(model):
    x, y = normal(0, N, N), jnp.ones((N, 3))
    params = {"w": draw(N, N), "out": draw(N, 3)}
    look = look_at("test", lambda p, b: squared_error(model(p, b[0]), b[1]), params, (x, y)).look
    for unit in (0, 4):
        (_, _, (one, *_)), (_, _, (other, *_)) = (
            look(params | {"w": w}, (x, y)) for w in (params["w"], params["w"].at[:, unit].multiply(3))
        )
        assert one.weights == ("w",)
        for before, after in ((one.output, other.output), (one.activation, other.activation)):
            if before is not None:
                moved = np.moveaxis(np.asarray(before != after), one.unit_axis, 0)
                assert list(np.flatnonzero(np.any(moved.reshape(N, -1), 1))) == [unit]


# Bad input


GOOD, _ = mlp(jnp.tanh)


@pytest.mark.parametrize(
    ("loss", "params", "batch", "message"),
    [
        (
            lambda p, b: b[0] @ p["hidden"]["w"],
            PARAMS,
            (X, Y),
            r"scalar of shape \(\), and it returned float32 of shape",
        ),
        (lambda p, b: (GOOD(p, b), 1.0), PARAMS, (X, Y), r"it returned a tuple; for \(loss, aux\) give has_aux=True"),
        (lambda p, b: {"loss": GOOD(p, b)}, PARAMS, (X, Y), "needs loss_fn to return a scalar, and it returned a dict"),
        (lambda p, b: GOOD(p, b) * 1j, PARAMS, (X, Y), "real floating-point scalar.*complex64"),
        (lambda p, b: GOOD(PARAMS, b), PARAMS, (X, Y), "does it close over its own"),
        (lambda p, b: jnp.sum(p["out"]["w"] ** 2), PARAMS, (X, Y), "multiplies its parameters with data"),
        (GOOD, {"n": jnp.array(3), **PARAMS}, (X, Y), "real floating-point parameters, and was given int32 at 'n'"),
        (GOOD, {**PARAMS, "name": "mlp"}, (X, Y), "was given str at 'name'"),
        (GOOD, {}, (X, Y), "needs at least one array among the parameters"),
        (GOOD, PARAMS, None, r"was given no batch \(None\), and loss_fn needs one: it raised TypeError"),
        (GOOD, PARAMS, (), r"was given no batch \(\(\)\), and loss_fn needs one: it raised IndexError"),
        (GOOD, PARAMS, (X, "labels"), "needs arrays in the batch, and was given str at '1'"),
        (lambda p, batch: float(GOOD(p, batch)), PARAMS, (X, Y), "made of JAX operations, so that it can be traced: "),
        (lambda p: 0.0, PARAMS, (X, Y), r"needs loss_fn\(params, batch\), and was given \(p\)"),
    ],
)
def test_bad_input_is_named(loss, params, batch, message):
    with pytest.raises(ValueError, match=f"layers.*{message}"):
        layers(loss, params, batch)


def test_has_aux_without_a_pair_is_named():
    with pytest.raises(ValueError, match=r"has_aux=True needs loss_fn to return \(loss, aux\)"):
        layers(GOOD, PARAMS, (X, Y), has_aux=True)


def test_a_fault_of_the_loss_itself_is_left_as_it_is():
    with pytest.raises(TypeError, match="dot_general"):
        layers(GOOD, PARAMS, (X[:, :3], Y))


def test_a_tapped_value_stands_among_the_layers_with_its_gradient():
    x, w = jnp.arange(6.0).reshape(3, 2), {"u": jnp.ones((2, 4)), "v": jnp.ones((4, 1))}

    def loss(p, batch):
        def turn(h, scale):
            return gd.tap("turn", h * scale), None

        h = gd.tap("middle", jnp.tanh(batch @ p["u"] / 9))
        h, _ = jax.lax.scan(turn, h, jnp.array([1.0, 2.0]))
        return jnp.sum((h @ p["v"]) ** 2)

    u, middle, turn, v = layers(loss, w, x)
    assert [each.name for each in (u, middle, turn, v)] == ["u", "middle", "turn", "v"]
    assert (middle.kind, middle.weights) == ("tag", ())
    h = np.tanh(np.asarray(x) @ np.ones((2, 4)) / 9)
    np.testing.assert_allclose(middle.output, h, rtol=1e-6)
    after = 2 * (2 * h @ np.ones((4, 1))) @ np.ones((1, 4))  # dL/dh behind the last turn
    np.testing.assert_allclose(middle.output_gradient, 2 * after, rtol=1e-5)
    np.testing.assert_allclose(turn.output, np.stack([h, 2 * h]), rtol=1e-6)
    np.testing.assert_allclose(turn.output_gradient, np.stack([2 * after, after]), rtol=1e-5)
