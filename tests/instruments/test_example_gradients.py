"""Each example's gradient norm: against the gradients themselves, and without them where a weight is used once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _norms import EPS, from_gradients, in_double, without_gradient
from _numbers import normal
from _zoo import IMAGES, MLP, TOKENS, XS, ZOO, X, Y, closed_over_data, draw, half_precision, mlp, squared_error
from jax import lax

from gdfunc import models
from gdfunc.core import leaf_paths
from gdfunc.instruments._example_gradients import example_gradient_norms

LOSS = lambda p, b: squared_error(mlp(p, b[0]), b[1])  # noqa: E731


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def over_time(p, x):
    return jnp.mean(jnp.tanh(jnp.tanh(x @ p["large"] + p["bias"]) @ p["small"]) ** 2)


def convolution(p, x):
    z = lax.conv_general_dilated(x, p["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jnp.mean((jnp.tanh(z + p["bias"]).reshape(len(x), -1) @ p["out"]) ** 2)


def recurrent(p, x):
    step = lambda h, x: (jnp.tanh(x @ p["in"] + h @ p["again"]), None)  # noqa: E731
    return jnp.mean((lax.scan(step, jnp.zeros((len(x), 8)), jnp.swapaxes(x, 0, 1))[0] @ p["out"]) ** 2)


def residual(p, x):
    for block in p:
        x = x + jnp.tanh(x @ block["up"]) @ block["down"]
    return jnp.mean(x**2)


def attention(p, x):
    q, k, v = (jnp.einsum("btd,dhe->bthe", x, p[name]) for name in ("query", "key", "value"))
    mixed = jax.nn.softmax(jnp.einsum("bthe,bshe->bhts", q, k))
    return jnp.mean(jnp.einsum("bthe,hed->btd", jnp.einsum("bhts,bshe->bthe", mixed, v), p["output"]) ** 2)


def layers(p, x, turn=lambda x, w: (jnp.tanh(x @ w), None), **options):
    return jnp.mean(lax.scan(turn, x, p, **options)[0] ** 2)


def nested(p, x):
    inner = lambda x, w: (lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0], None)  # noqa: E731
    return layers(p, x, jax.checkpoint(inner))


def every_way_through_a_scan(p, x):
    """Weights of which the slices are used once, twice, handed out, and used again after it."""

    def turn(x, w):
        x = x + jnp.tanh(jnp.tanh(x @ w["once"]) @ w["twice"]) @ w["twice"]
        return jnp.tanh(x @ w["out"]) @ w["again"], w["out"]

    x, out = lax.scan(turn, x, p)
    return jnp.mean((x @ p["again"][0]) ** 2) + jnp.mean(out)


def in_turn(p, x):
    """Layers that are carried round, one after the other."""
    turn = lambda c, _: ((jnp.tanh(c[0] @ c[1]), c[2], c[1]), None)  # noqa: E731
    return jnp.mean(lax.scan(turn, (x, p["a"], p["b"]), length=4)[0][0] ** 2)


def residual_convolutions(p, x):
    turn = lambda x, w: (x + jnp.tanh(lax.conv_general_dilated(x, w, (1, 1), "SAME")), None)  # noqa: E731
    return layers(p, x, turn)


def looked_up(rows):
    return lambda p, tokens: jnp.mean(jnp.tanh(jnp.cumsum(rows(p, tokens), axis=-1)) ** 2)


def tied(p, tokens):
    logits = jnp.tanh(p["table"][tokens] @ p["w"]) @ p["table"].T
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[..., None], -1))


def handed_on(p, b):
    """The weights leave a recomputed part, and are used again after it."""
    h, w1 = jax.checkpoint(lambda p, x: (jnp.tanh(x @ p["w0"]) @ p["w1"], p["w1"]))(p, b[0])
    return squared_error(jnp.tanh(h @ w1.T) @ w1, b[1])


def of_columns(p, b):
    """Weights on the left, of one example at a time."""
    return squared_error(jax.vmap(lambda x: p["w1"].T @ jnp.tanh(p["w0"].T @ x + p["b0"]))(b[0]), b[1])


ITSELF = set(leaf_paths(0.0))
CONSTANT = np.asarray(X[:1])
BLOCK = {"up": draw(10, 8), "down": draw(8, 10)}
SIX_LAYERS = models.mlp((10, 9, 9, 9, 9, 9, 3), "tanh")
HEADS = {name: draw(8, 2, 4, seed=i) for i, name in enumerate(("query", "key", "value"))}
# What it is -> (loss, params, batch, the parameters whose gradients are not taken).
MODELS = {
    "dense": (LOSS, MLP, (X, Y), {"w0", "w1"}),
    "recomputed": (lambda p, b: squared_error(jax.checkpoint(mlp)(p, b[0]), b[1]), MLP, (X, Y), {"w0", "w1"}),
    "handed on": (handed_on, {"w0": MLP["w0"], "w1": MLP["w1"]}, (X, Y), {"w0"}),
    "weights on the left": (of_columns, MLP, (X, Y), {"w0", "w1"}),
    "channels first": (
        lambda p, x: jnp.mean(jnp.tanh(jnp.einsum("oi,bit->bot", p["w"], x)) ** 2),
        {"w": draw(8, 10)},
        draw(8, 10, 3),
        {"w"},
    ),
    "transposed": (
        lambda p, b: squared_error(b[0] @ jnp.reshape(p["w"], (3, 10)).T, b[1]),
        {"w": draw(30, 1)},
        (X, Y),
        {"w"},
    ),
    "three positions": (
        over_time,
        {"large": draw(10, 8), "bias": jnp.full(8, 0.1), "small": draw(8, 4)},
        draw(8, 3, 10),
        {"large"},
    ),
    "convolution": (
        convolution,
        {"kernel": draw(3, 3, 3, 4), "bias": jnp.full(4, 0.1), "out": draw(144, 3)},
        IMAGES,
        {"kernel", "out"},
    ),
    "a convolution used twice": (
        lambda w, x: jnp.mean(lax.conv(jnp.tanh(lax.conv(x, w, (1, 1), "SAME")), w, (1, 1), "SAME") ** 2),
        draw(3, 3, 3, 3),
        draw(8, 3, 6, 6),
        set(),
    ),
    "a parameter that is convolved": (
        lambda p, x: jnp.mean(lax.conv(p[None, None], x[:, :1, None, None], (1, 1), "SAME") ** 2),
        draw(6, 6),
        X,
        set(),
    ),
    "layers": (
        lambda p, b: squared_error(SIX_LAYERS.apply(p, b[0]), b[1]),
        SIX_LAYERS.init(jax.random.key(0)),
        (X, Y),
        {"first/weight", "hidden/weight", "last/weight"},
    ),
    "layers of three positions": (layers, draw(4, 8, 8), draw(8, 3, 8), ITSELF),
    "layers of four positions": (layers, draw(4, 8, 8), draw(8, 4, 8), set()),
    "layers from the last": (lambda p, x: layers(p, x, reverse=True, unroll=2), draw(5, 10, 10), X, ITSELF),
    "layers, recomputed": (
        lambda p, x: layers(p, x, jax.checkpoint(lambda x, w: (jnp.tanh(x @ w), None))),
        draw(5, 10, 10),
        X,
        ITSELF,
    ),
    "layers in layers": (nested, draw(3, 2, 10, 10), X, ITSELF),
    "layers of one stack": (lambda p, x: layers(p.reshape(3, 10, 10), x), draw(30, 10), X, ITSELF),
    "layers of the same input": (
        lambda p, x: jnp.mean(lax.scan(lambda y, w: (y + jnp.tanh(x @ w), None), jnp.zeros((len(x), 3)), p)[0] ** 2),
        draw(4, 10, 3),
        X,
        ITSELF,
    ),
    "layers of many uses": (
        every_way_through_a_scan,
        {name: draw(3, 10, 10, seed=i) for i, name in enumerate(("once", "twice", "out", "again"))},
        X,
        {"once"},
    ),
    "layers carried round": (in_turn, {"a": draw(10, 10), "b": draw(10, 10, seed=1)}, X, set()),
    "layers of convolutions": (residual_convolutions, draw(3, 4, 4, 3, 3), draw(8, 4, 5, 5), ITSELF),
    "residual": (residual, [BLOCK, BLOCK], X, {"0/up", "0/down", "1/up", "1/down"}),
    "attention": (attention, {**HEADS, "output": draw(2, 4, 8)}, draw(8, 3, 8), {*HEADS, "output"}),
    "a weight each head": (
        lambda p, x: jnp.mean(jnp.tanh(jnp.einsum("bthe,hfe->bthf", x, p["w"])) ** 2),
        {"w": draw(3, 7, 6)},
        draw(8, 2, 3, 6),
        {"w"},
    ),
    "recurrent": (recurrent, {"in": draw(5, 8), "again": draw(8, 8), "out": draw(8, 3)}, XS, {"out"}),
    "tied": (tied, {"table": draw(20, 8), "w": draw(8, 8)}, TOKENS[:, :3], {"w"}),
    "table": (looked_up(lambda p, i: p[i - 20]), draw(20, 4), TOKENS % 7, ITSELF),
    "table of parts": (looked_up(lambda p, i: jax.vmap(lambda i: p[i])(i)), draw(20, 3, 4), TOKENS % 7, ITSELF),
    "table, recomputed": (looked_up(jax.checkpoint(lambda p, i: p[i])), draw(20, 4), TOKENS, set()),
    "table, past its end": (
        looked_up(lambda p, i: jnp.take(p, i, axis=0, mode="fill", fill_value=0.5)),
        draw(12, 4),
        TOKENS,
        ITSELF,
    ),
    "table, up to its end": (
        looked_up(lambda p, i: jnp.take(p, i - 4, axis=0, mode="clip")),
        draw(12, 4),
        TOKENS,
        ITSELF,
    ),
    "table of few rows": (looked_up(lambda p, i: p[i]), draw(6, 4), TOKENS % 6, set()),
    "table of columns": (looked_up(lambda p, i: p[:, i]), draw(10, 20), TOKENS, set()),
    "table of parts of rows": (looked_up(lambda p, i: p[i, :3]), draw(20, 4), TOKENS, set()),
    "used twice": (
        lambda p, x: jnp.mean((jnp.tanh(jnp.tanh(x @ p["w"]) @ p["w"]) @ p["out"]) ** 2),
        {"w": draw(10, 10), "out": draw(10, 3)},
        X,
        {"out"},
    ),
    "used by itself": (lambda p, x: jnp.mean((x @ (p["w"] @ p["w"].T)) ** 2), {"w": draw(10, 10)}, X, set()),
    "used in a penalty": (lambda p, b: LOSS(p, b) + jnp.sum(p["w0"] ** 2), MLP, (X, Y), {"w1"}),
    "weight norm": (
        lambda p, x: jnp.mean((x @ (p["g"] * p["v"] / jnp.linalg.norm(p["v"], axis=0))) ** 2),
        {"v": draw(10, 3), "g": jnp.full(3, 2.0)},
        X,
        set(),
    ),
    "repeated weights": (
        lambda p, x: jnp.mean((x @ jnp.broadcast_to(p["w"], (10, 10))) ** 2),
        {"w": draw(1, 10)},
        X,
        set(),
    ),
    "complex": (lambda p, x: jnp.mean(jnp.abs((x * (1 + 2j)) @ p["w"]) ** 2), {"w": draw(10, 3)}, X, set()),
    "constant input": (
        lambda p, x: jnp.mean((jnp.asarray(CONSTANT) @ p["w"] * x) ** 2),
        {"w": draw(10, 10)},
        X,
        set(),
    ),
    "branch": (
        lambda p, b: squared_error(lax.cond(b[0][0, 0] > 0, lambda: mlp(p, b[0]), lambda: 2 * mlp(p, b[0])), b[1]),
        MLP,
        (X, Y),
        set(),
    ),
    "no product": (lambda p, x: jnp.mean((x * p["w"]) ** 2), {"w": jnp.ones(10)}, X, set()),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_norms_are_those_of_the_gradients_and_weights_used_once_need_none(name):
    loss, params, batch, expected = MODELS[name]
    params, batch = in_double(params), in_double(batch)
    assert without_gradient(loss, params, batch) == expected
    norms = jax.jit(lambda p, b: example_gradient_norms(loss, p, b, 3))(params, batch)
    wanted = from_gradients(loss, params, batch)
    assert np.all(wanted > 0)
    np.testing.assert_allclose(norms, wanted, rtol=64 * EPS)


# The one has no batch of examples, and the other a test of its own.
MAKES = [make for make in ZOO if make not in (closed_over_data, half_precision)]


@pytest.mark.parametrize("make", MAKES)
def test_the_norms_are_those_of_the_gradients_in_networks_of_every_make(make):
    with jax.enable_x64(False):
        given, params, batch, has_aux, _ = make()
        keys = jax.tree.map(lambda x: x.ndim == 0, batch)  # the examples draw from keys of their own
        batch = jax.tree.map(lambda x, is_key: jax.random.split(x, 8) if is_key else x, batch, keys)

        def loss(p, b):
            out = given(p, jax.tree.map(lambda x, is_key: x[0] if is_key else x, b, keys))
            return out[0] if has_aux else out

        norms = jax.jit(lambda p, b: example_gradient_norms(loss, p, b))(params, batch)
        np.testing.assert_allclose(norms, from_gradients(loss, params, batch), rtol=64 * np.finfo(np.float32).eps)


def memory(loss, params, batch, chunk):
    norms = jax.jit(lambda p, b: example_gradient_norms(loss, p, b, chunk))
    return norms.lower(params, batch).compile().memory_analysis().temp_size_in_bytes


def test_a_dense_network_needs_no_memory_for_gradients():
    params, batch = {"a": jnp.ones((100, 200)), "b": jnp.ones((200, 50))}, jnp.ones((64, 100))
    one = (100 * 200 + 200 * 50) * 8
    # What the layers carry, forward and backward, and no whole gradient for each of the 64.
    assert memory(lambda p, x: jnp.mean((jnp.tanh(x @ p["a"]) @ p["b"]) ** 2), params, batch, 64) < 3 * one


def test_layers_and_convolutions_need_no_memory_for_gradients():
    one = 20 * 100 * 100 * 8
    assert memory(layers, jnp.ones((20, 100, 100)), jnp.ones((64, 100)), 64) < 64 * one / 10
    kernel, x = jnp.ones((5, 5, 16, 32)), jnp.ones((64, 6, 6, 16))
    loss = lambda w, x: convolution({"kernel": w, "bias": 0.0, "out": jnp.ones((36 * 32, 1))}, x)  # noqa: E731
    # Nor for all that the window passes over, 25 times the input.
    assert memory(loss, kernel, x, 64) < min(64 * kernel.nbytes, 25 * x.nbytes) / 2


def test_a_table_needs_no_memory_for_gradients():
    table, x = jnp.ones((1000, 50)), jnp.arange(64 * 10).reshape(64, 10)
    assert memory(looked_up(lambda p, i: p[i]), table, x, 64) < 64 * table.nbytes / 10


def test_where_gradients_are_taken_no_more_of_them_than_a_chunk_are_in_memory():
    W, batch = jnp.ones((40, 50)), jnp.ones((64, 30, 40))  # 30 positions: the gradient is cheaper than without
    loss = lambda W, x: jnp.mean(jnp.tanh(x @ W) ** 2)  # noqa: E731
    assert memory(loss, W, batch, 64) > 64 * W.nbytes
    assert memory(loss, W, batch, 4) < memory(loss, W, batch, 64) / 8


def test_in_bfloat16_the_sums_are_of_float32():
    params, batch = jnp.ones((4099, 3), jnp.bfloat16), jnp.ones((2, 4099), jnp.bfloat16)
    norms = example_gradient_norms(lambda w, x: jnp.sum(x @ w), params, batch)
    assert norms.dtype == jnp.float32
    np.testing.assert_allclose(norms, np.sqrt(3 * 4099), rtol=4 * np.finfo(np.float32).eps)


def test_a_network_in_bfloat16_differs_by_its_gradients_rounding():
    loss, params, batch, _, _ = half_precision()
    assert without_gradient(loss, params, batch) == {"w0", "w1"}
    norms = example_gradient_norms(loss, params, batch)
    np.testing.assert_allclose(norms, from_gradients(loss, params, batch), rtol=2**-7)


def test_contributions_that_cancel_make_no_nan():
    params = jnp.ones((20, 20), jnp.float32)
    loss = lambda w, x: jnp.sum(x @ w)  # noqa: E731
    x = normal(0, 200, 2, 20)
    batch = jnp.concatenate([x, -jnp.sum(x, axis=1, keepdims=True)], axis=1)
    assert without_gradient(loss, params, batch)
    norms = np.asarray(example_gradient_norms(loss, params, batch))
    assert np.all(np.isfinite(norms))
    # The root of some roundings of the squares, whose largest sum is a few thousand.
    np.testing.assert_allclose(norms, 0, atol=np.sqrt(64 * np.finfo(np.float32).eps * 5000))


def test_inside_a_branch_of_a_compiled_loop_they_are_the_same():
    params, batch = in_double(MLP), in_double((X, Y))

    @jax.jit
    def steps(params, batch):
        def step(p, i):
            skip = lambda: jnp.zeros(8)  # noqa: E731
            norms = lax.cond(i % 2 == 0, lambda: example_gradient_norms(LOSS, p, batch, 4), skip)
            return jax.tree.map(lambda x: 0.9 * x, p), norms

        return lax.scan(step, params, jnp.arange(3))[1]

    shrunk = jax.tree.map(lambda x: 0.9**2 * x, params)
    wanted = [from_gradients(LOSS, params, batch), np.zeros(8), from_gradients(LOSS, shrunk, batch)]
    np.testing.assert_allclose(steps(params, batch), wanted, rtol=1e-13)


def test_a_penalty_on_the_norms_has_the_gradient_that_it_should():
    params, batch = in_double(MLP), in_double((X, Y))
    penalty = lambda norms: lambda p: jnp.sum(norms(LOSS, p, batch) ** 2)  # noqa: E731
    found, wanted = (jax.grad(penalty(norms))(params) for norms in (example_gradient_norms, from_gradients))
    for name in params:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-12, atol=1e-14)


def test_a_loss_that_is_no_scalar_is_refused():
    with pytest.raises(ValueError, match="example_gradient_norms needs loss_fn to return a real floating-point scalar"):
        example_gradient_norms(lambda p, b: mlp(p, b[0]), MLP, (X, Y))
