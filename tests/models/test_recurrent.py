"""LSTM and GRU: against loops in Python, Flax's cells, and what the forget gate does to a gradient."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import init, models

KEY = jax.random.key(5)
BATCH, TIME, INPUTS, WIDTH, OUTPUTS = 4, 3, 3, 5, 2
MAKE = {
    "lstm": lambda **settings: models.lstm(INPUTS, WIDTH, OUTPUTS, **settings),
    "gru, before": lambda **settings: models.gru(INPUTS, WIDTH, OUTPUTS, **settings),
    "gru, after": lambda **settings: models.gru(INPUTS, WIDTH, OUTPUTS, "after", **settings),
}


def drawn(model):
    """Parameters as the model has them, biases too."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, KEY))
    return structure.unflatten([(normal(i, *p.shape) / 2).astype(p.dtype) for i, p in enumerate(leaves)])


def sequences():
    return jnp.asarray(np.asarray(normal(11, BATCH, TIME, INPUTS), np.float64))


def square(y):
    return jnp.sum(jnp.sin(y) ** 2)


def sigmoid(x):
    return 1 / (1 + jnp.exp(-x))


def parts(matrix, n):
    return [matrix[..., i * WIDTH : (i + 1) * WIDTH] for i in range(n)]


def lstm_step(p, x, state):
    """Each gate by itself, in the paper's order of the formulas."""
    h, c = state[:, :WIDTH], state[:, WIDTH:]
    w, u, b = (parts(m, 4) for m in (p["input"]["weight"], p["recurrent"]["weight"], p["recurrent"]["bias"]))
    i, f, g, o = (x @ w[k] + h @ u[k] + b[k] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    return jnp.concatenate([sigmoid(o) * jnp.tanh(c), c], axis=1)


def gru_step(p, x, h):
    w, u, b = (parts(m, 3) for m in (p["input"]["weight"], p["recurrent"]["weight"], p["recurrent"]["bias"]))
    r = sigmoid(x @ w[0] + h @ u[0] + b[0])
    z = sigmoid(x @ w[1] + h @ u[1] + b[1])
    return z * h + (1 - z) * jnp.tanh(x @ w[2] + (r * h) @ u[2] + b[2])


STEPS = {"lstm": lstm_step, "gru, before": gru_step}


@pytest.mark.parametrize(("name", "readout"), [("lstm", "last"), ("gru, before", "all")])
def test_outputs_and_state_gradients_are_those_of_a_python_loop(name, readout):
    with jax.enable_x64(True):
        model = MAKE[name](readout=readout, dtype=jnp.float64)
        params, x = drawn(model), sequences()

        def loop(shifts):
            state, outputs = jnp.zeros_like(shifts[0]), []
            for t in range(TIME):
                state = STEPS[name](params, x[:, t], state) + shifts[t]
                outputs.append(state[:, :WIDTH] @ params["readout"]["weight"] + params["readout"]["bias"])
            y = outputs[-1] if readout == "last" else jnp.stack(outputs, axis=1)
            return square(y), y

        size = 2 * WIDTH if name == "lstm" else WIDTH
        gradients, y = jax.jit(jax.grad(loop, has_aux=True))(jnp.zeros((TIME, BATCH, size)))
        expected = (y, np.sqrt(np.sum(np.square(gradients), axis=(1, 2))))
        found = jax.jit(lambda p: (model.apply(p, x), models.state_gradients(model, p, x, square)))(params)
        chex.assert_tree_all_finite(found)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13, strict=True)


def in_flax(name, p):
    """Our parameters as Flax's cell has them."""
    if name == "lstm":
        order, cell = "ifgo", nn.LSTMCell
        kernels = {f"i{g}": {"kernel": w} for g, w in zip(order, parts(p["input"]["weight"], 4), strict=True)}
        with_bias = zip(order, parts(p["recurrent"]["weight"], 4), parts(p["recurrent"]["bias"], 4), strict=True)
        return cell, {**kernels, **{f"h{g}": {"kernel": u, "bias": b} for g, u, b in with_bias}}
    order, cell = "rzn", nn.GRUCell
    with_bias = zip(order, parts(p["input"]["weight"], 3), parts(p["recurrent"]["bias"], 3), strict=True)
    kernels = {f"h{g}": {"kernel": u} for g, u in zip(order, parts(p["recurrent"]["weight"], 3), strict=True)}
    kernels["hn"]["bias"] = p["recurrent"]["candidate_bias"]
    return cell, {**kernels, **{f"i{g}": {"kernel": w, "bias": b} for g, w, b in with_bias}}


@pytest.mark.parametrize("name", ["lstm", "gru, after"])
def test_outputs_and_gradients_are_those_of_flaxs_cells_with_the_same_weights(name):
    with jax.enable_x64(True):
        model = MAKE[name](readout="all", dtype=jnp.float64)
        params = drawn(model)

        def flaxs(params, x):
            cell, theirs = in_flax(name, params)
            layer = nn.RNN(cell(WIDTH, param_dtype=jnp.float64))
            h = layer.apply({"params": {"cell": theirs}}, x)
            return square(h @ params["readout"]["weight"] + params["readout"]["bias"])

        of = lambda f: jax.jit(jax.value_and_grad(f, argnums=(0, 1)))(params, sequences())  # noqa: E731
        ours, theirs = of(lambda params, x: square(model.apply(params, x))), of(flaxs)
        chex.assert_tree_all_finite(ours)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13, strict=True)


def test_the_cells_gradient_shrinks_by_the_forget_gate_alone():
    model = models.lstm(INPUTS, WIDTH, OUTPUTS, recurrent=init.zeros())
    norms = jax.jit(lambda params: models.state_gradients(model, params, normal(11, BATCH, 30, INPUTS), square))
    for forget_bias in (0.0, 1.0, 100.0):
        params = models.lstm(INPUTS, WIDTH, OUTPUTS, forget_bias, recurrent=init.zeros()).init(KEY)
        # Without the input's part the forget gate is the bias's.
        params["input"]["weight"] = params["input"]["weight"].at[:, WIDTH : 2 * WIDTH].set(0)
        earlier = norms(params)[:-1]  # the last state is read out, and so has a gradient of h as well
        np.testing.assert_allclose(earlier[:-1] / earlier[1:], 1 / (1 + np.exp(-forget_bias)), rtol=1e-5)


@pytest.mark.parametrize("name", MAKE)
def test_each_gate_is_drawn_for_its_own_shape_and_the_dtype_stays(name):
    params = MAKE[name]().init(KEY)
    gates = 4 if name == "lstm" else 3
    for i, u in enumerate(parts(params["recurrent"]["weight"], gates)):
        np.testing.assert_allclose(u.T @ u, np.eye(WIDTH), atol=1e-5)
        assert i == 0 or not np.allclose(u, params["recurrent"]["weight"][:, :WIDTH])
    started = np.zeros(gates * WIDTH)
    if name == "lstm":
        started[WIDTH : 2 * WIDTH] = 1
    np.testing.assert_array_equal(params["recurrent"]["bias"], started)
    half = MAKE[name](dtype=jnp.bfloat16)
    shapes = jax.eval_shape(half.init, KEY)
    assert {p.dtype for p in jax.tree.leaves(shapes)} == {jnp.dtype(jnp.bfloat16)}
    assert jax.eval_shape(half.apply, shapes, jnp.ones((BATCH, TIME, INPUTS), jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.lstm(4, 0, 3), "lstm needs width to be an integer >= 1, and was given width=0"),
        (lambda: models.gru(4, "6", 3), "gru needs width to be an integer >= 1"),
        (lambda: models.lstm(4, 6, 3, readout="first"), "lstm needs readout to be 'last' or 'all'"),
        (
            lambda: models.gru(4, 6, 3, "never"),
            "gru needs reset to be 'before' or 'after', and was given reset='never'",
        ),
        (lambda: models.lstm(4, 6, 3, float("nan")), "lstm needs forget_bias to be a finite number"),
        (lambda: MAKE["lstm"]().apply({}, jnp.ones((2, 4))), r"lstm needs x of shape \(batch, time, 3\)"),
        (
            lambda: MAKE["gru, after"]().apply(MAKE["gru, before"]().init(KEY), jnp.ones((2, 5, 3))),
            "'recurrent/candidate_bias' is in init but not in params",
        ),
        (
            lambda: models.layer_signals(MAKE["lstm"](), {}, jnp.ones((2, 5, 3)), square),
            "model with trace_layers",
        ),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: (call(), 0)[1])  # at trace time
