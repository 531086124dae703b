"""Each example's gradient norm: against the gradients themselves, and without them where a weight is used once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _zoo import (
    IMAGES,
    MLP,
    TOKENS,
    XS,
    X,
    Y,
    derivative_of_its_own,
    draw,
    equinox_attention,
    equinox_gru,
    half_precision,
    linen_lstm,
    linen_scan_of_remat,
    linen_transformer_with_dropout_and_tied_weights,
    low_rank_update,
    mlp,
    nnx_batch_norm_with_aux,
    physics_informed,
    squared_error,
    vmapped_ensemble,
)
from jax import lax

from gdfunc.core import leaf_paths, trace_loss, tree_norm
from gdfunc.instruments._example_gradients import example_gradient_norms
from gdfunc.instruments._gram import products
from gdfunc.instruments._program import read_program

EPS = np.finfo(np.float64).eps
LOSS = lambda p, b: squared_error(mlp(p, b[0]), b[1])  # noqa: E731


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def in_double(tree):
    return jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def from_gradients(loss, params, batch):
    """The norm of every example's gradient, which is taken."""
    one = lambda example: tree_norm(jax.grad(loss)(params, jax.tree.map(lambda x: x[None], example)))  # noqa: E731
    return jax.jit(jax.vmap(one))(batch)


def without_gradient(loss, params, batch):
    """The paths of the parameters whose gradients are not taken."""
    program = read_program(trace_loss("test", loss, params, jax.tree.map(lambda x: x[:1], batch))[0])
    paths = leaf_paths(params)
    return {paths[i] for i in products(program, len(paths))}


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


CONSTANT = np.asarray(X[:1])
BLOCK = {"up": draw(10, 8), "down": draw(8, 10)}
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
        {"out"},
    ),
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


MAKES = (
    linen_transformer_with_dropout_and_tied_weights,
    linen_scan_of_remat,
    linen_lstm,
    nnx_batch_norm_with_aux,
    equinox_gru,
    equinox_attention,
    vmapped_ensemble,
    physics_informed,
    low_rank_update,
    derivative_of_its_own,
)


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
    x = jax.random.normal(jax.random.key(0), (200, 2, 20), jnp.float32)
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
