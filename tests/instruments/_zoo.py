"""Losses of every make: each function gives (loss, params, batch, has_aux), and the names of its sites in the order of the run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal
from jax import lax

KEY = jax.random.key(0)
X = normal(0, 8, 10)
Y = normal(1, 8, 3)
XS = normal(2, 8, 6, 5)
IMAGES = normal(3, 8, 6, 6, 3)
TOKENS = jax.random.randint(KEY, (8, 6), 0, 20)


def squared_error(prediction, y):
    return jnp.mean((prediction - y) ** 2)


def draw(*shape, seed=0):
    return normal(seed, *shape) / np.sqrt(shape[-2])


def mlp(p, x):
    return jnp.tanh(x @ p["w0"] + p["b0"]) @ p["w1"]


MLP = {"w0": draw(10, 8), "b0": jnp.full(8, 0.1), "w1": draw(8, 3)}


def linen_transformer_with_dropout_and_tied_weights():
    nn = pytest.importorskip("flax.linen")

    class Transformer(nn.Module):
        @nn.compact
        def __call__(self, tokens):
            embed = nn.Embed(20, 8)
            h = embed(tokens)
            attend = nn.MultiHeadDotProductAttention(2)
            h = h + attend(nn.LayerNorm()(h), mask=nn.make_causal_mask(tokens))
            z = nn.gelu(nn.Dense(16)(nn.LayerNorm()(h)))
            h = h + nn.Dropout(0.1, deterministic=False)(nn.Dense(8)(z))
            return embed.attend(h)

    model = Transformer()
    params = model.init({"params": KEY, "dropout": KEY}, TOKENS)["params"]

    def loss(params, batch):
        tokens, key = batch
        logits = jax.nn.log_softmax(model.apply({"params": params}, tokens, rngs={"dropout": key}))
        return -jnp.mean(jnp.take_along_axis(logits[:, :-1], tokens[:, 1:, None], -1))

    attention = [f"MultiHeadDotProductAttention_0/{name}/kernel" for name in ("query", "key", "value", "out")]
    names = ["Embed_0/embedding", *attention, "Dense_0/kernel", "Dense_1/kernel", "Embed_0/embedding#2"]
    return loss, params, (TOKENS, jax.random.key(5)), False, names


def linen_scan_of_remat():
    nn = pytest.importorskip("flax.linen")

    class Block(nn.Module):
        @nn.compact
        def __call__(self, h, _):
            up, down = nn.Dense(9, name="up"), nn.Dense(8, name="down")
            return h + down(nn.gelu(up(nn.LayerNorm()(h)))), None

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            h = nn.Dense(8, name="enter")(x)
            blocks = nn.scan(
                nn.remat(Block, prevent_cse=False),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=3,
            )(name="blocks")
            return nn.Dense(3, name="leave")(blocks(h, None)[0])

    params = Net().init(KEY, X)["params"]
    names = ["enter/kernel", "blocks/up/kernel", "blocks/down/kernel", "leave/kernel"]
    return lambda p, b: squared_error(Net().apply({"params": p}, b[0]), b[1]), params, (X, Y), False, names


def linen_lstm():
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(3)(nn.RNN(nn.LSTMCell(4))(x)[:, -1])

    params = Net().init(KEY, XS)["params"]
    gates = [f"LSTMCell_0/{source}{gate}/kernel" for gate in "ifgo" for source in "ih"]
    loss = lambda p, b: squared_error(Net().apply({"params": p}, b[0]), b[1])  # noqa: E731
    return loss, params, (XS, Y), False, [*gates, "Dense_0/kernel"]


def nnx_batch_norm_with_aux():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.out = nnx.Linear(4, 3, rngs=rngs)

        def __call__(self, x):
            return self.out(nnx.relu(self.norm(self.conv(x))).mean((1, 2)))

    graph, params, rest = nnx.split(Net(nnx.Rngs(0)), nnx.Param, ...)

    def loss(params, batch):
        model = nnx.merge(graph, params, rest, copy=True)
        return squared_error(model(batch[0]), batch[1]), nnx.state(model, nnx.BatchStat)

    return loss, params, (IMAGES, Y), True, ["conv/kernel", "out/kernel"]


def equinox_gru():
    eqx = pytest.importorskip("equinox")
    model = (eqx.nn.GRUCell(5, 4, key=KEY), eqx.nn.Linear(4, 3, key=KEY))
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def loss(params, batch):
        cell, out = eqx.combine(params, static)
        one = lambda xs: out(lax.scan(lambda h, x: (cell(x, h), None), jnp.zeros(4), xs)[0])  # noqa: E731
        return squared_error(jax.vmap(one)(batch[0]), batch[1])

    return loss, params, (XS, Y), False, ["0/weight_ih", "0/weight_hh", "1/weight"]


def equinox_attention():
    eqx = pytest.importorskip("equinox")
    params, static = eqx.partition(eqx.nn.MultiheadAttention(2, 8, key=KEY), eqx.is_inexact_array)
    loss = lambda p, x: jnp.mean(jax.vmap(lambda q: eqx.combine(p, static)(q, q, q))(x) ** 2)  # noqa: E731
    names = [f"{name}_proj/weight" for name in ("query", "key", "value", "output")]
    return loss, params, normal(0, 8, 6, 8), False, names


def vmapped_ensemble():
    params = {"w0": draw(5, 10, 8), "b0": jnp.full((5, 8), 0.1), "w1": draw(5, 8, 3)}
    loss = lambda p, b: jnp.mean(jax.vmap(lambda q: squared_error(mlp(q, b[0]), b[1]))(p))  # noqa: E731
    return loss, params, (X, Y), False, ["w0", "w1"]


def physics_informed():
    u = lambda p, x: mlp(p, x)[0]  # noqa: E731
    loss = lambda p, b: jnp.mean(jax.vmap(lambda x: jnp.sum(jax.grad(u, 1)(p, x)))(b) ** 2)  # noqa: E731
    return loss, MLP, X, False, ["w0", "w1", "w0#2"]


def branches():
    loss = lambda p, b: squared_error(lax.cond(b[0][0, 0] > 0, lambda: mlp(p, b[0]), lambda: 2 * mlp(p, b[0])), b[1])  # noqa: E731
    return loss, MLP, (X, Y), False, ["w0", "w1", "w0#2", "w1#2"]


def loop():
    loss = lambda p, x: jnp.mean(lax.fori_loop(0, 3, lambda i, a: jnp.tanh(a @ p["w"]), x) ** 2)  # noqa: E731
    return loss, {"w": draw(10, 10)}, X, False, ["w"]


def weight_norm():
    params = {"v": draw(10, 3), "g": jnp.full(3, 2.0)}
    loss = lambda p, b: squared_error(b[0] @ (p["v"] / jnp.linalg.norm(p["v"], axis=0) * p["g"]), b[1])  # noqa: E731
    return loss, params, (X, Y), False, ["g+v"]


def low_rank_update():
    params = {"w": draw(10, 3), "up": draw(10, 2), "down": draw(2, 3)}
    loss = lambda p, b: squared_error(b[0] @ (p["w"] + p["up"] @ p["down"]), b[1])  # noqa: E731
    return loss, params, (X, Y), False, ["down+up+w"]


def einsum():
    loss = lambda p, x: jnp.mean(jnp.einsum("bi,ijk->bjk", x, p["w"]) ** 2)  # noqa: E731
    return loss, {"w": draw(10, 4, 5)}, X, False, ["w"]


def half_precision():
    half = lambda x: x.astype(jnp.bfloat16)  # noqa: E731
    loss = lambda p, b: squared_error(mlp(jax.tree.map(half, p), half(b[0])).astype(jnp.float32), b[1])  # noqa: E731
    return loss, MLP, (X, Y), False, ["w0", "w1"]


def closed_over_data():
    return lambda p, _: squared_error(mlp(p, X), Y), MLP, None, False, ["w0", "w1"]


def derivative_of_its_own():
    @jax.custom_vjp
    def product(x, w):
        return x @ w

    product.defvjp(lambda x, w: (x @ w, (x, w)), lambda kept, g: (g @ kept[1].T, kept[0].T @ g))
    loss = lambda p, b: squared_error(jax.nn.relu(product(b[0], p["w0"])) @ p["w1"], b[1])  # noqa: E731
    return loss, {"w0": MLP["w0"], "w1": MLP["w1"]}, (X, Y), False, ["w0", "w1"]


ZOO = (
    linen_transformer_with_dropout_and_tied_weights,
    linen_scan_of_remat,
    linen_lstm,
    nnx_batch_norm_with_aux,
    equinox_gru,
    equinox_attention,
    vmapped_ensemble,
    physics_informed,
    branches,
    loop,
    weight_norm,
    low_rank_update,
    einsum,
    half_precision,
    closed_over_data,
    derivative_of_its_own,
)
