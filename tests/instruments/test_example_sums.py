"""Each example's gradient from the step's own backward pass: against the gradients themselves, and not where examples are tied together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _norms import EPS, in_double
from _numbers import normal
from _zoo import MLP, X, Y, draw, mlp, squared_error
from jax import lax
from test_example_gradients import MODELS

from gdfunc import losses
from gdfunc.core import tree_dot, tree_norm
from gdfunc.instruments import example_sums, probed_value_and_grad, trace


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def normalised(p, b):
    z = jnp.tanh(b[0] @ p["w"] + p["b"])
    z = (z - z.mean(-1, keepdims=True)) * lax.rsqrt(z.var(-1, keepdims=True) + 1e-5)
    return jnp.mean((z * p["scale"] + p["shift"] - b[1]) ** 2)


def of_images(p, x):
    x = lax.conv_general_dilated(x, p["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) - p["b"]
    x = lax.reduce_window(jax.nn.relu(x), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = jnp.concatenate([x, x[:, ::-1]], axis=-1)
    return jnp.mean(jnp.cumsum(jnp.sort(jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0))), axis=1), axis=2) ** 2)


def summed_over_time(p, x):
    turn = lambda total, x: (total + jnp.mean(x**2), None)  # noqa: E731
    return 3 + lax.scan(turn, 0.0, jnp.swapaxes(jnp.tanh(x @ p), 0, 1))[0] / 2


NORMALISED = {"w": draw(10, 3), "b": jnp.full(3, 0.1), "scale": jnp.full(3, 1.5), "shift": jnp.full(3, -0.2)}
# Where every parameter goes into one operation, and every example its own way.
APART = {name: MODELS[name][:3] for name in (
    "dense", "recomputed", "weights on the left", "channels first", "transposed", "three positions", "convolution",
    "layers from the last", "layers, recomputed", "layers in layers", "layers of four positions",
    "layers of convolutions", "residual", "attention", "no product",
)} | {
    "a layer's norm": (normalised, NORMALISED, (X, Y)),
    "images": (of_images, {"w": draw(3, 3, 3, 4), "b": jnp.full(4, 0.1)}, normal(4, 8, 6, 6, 3)),
    "branches": (
        lambda p, b: squared_error(lax.switch(jnp.argmax(jnp.ones(3)), (jnp.tanh, jnp.sin, jnp.cos), mlp(p, b[0])), b[1]),
        MLP, (X, Y),
    ),
    "summed over time": (summed_over_time, draw(5, 4), normal(2, 8, 6, 5)),
    "classes": (
        lambda p, b: losses.softmax_cross_entropy(mlp(p, b[0]), b[1]).mean(), MLP, (X, jnp.arange(8, dtype=jnp.int32) % 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", APART)
def test_norms_and_projections_are_those_of_the_gradients(name):
    loss, params, batch = (APART[name][0], *map(in_double, APART[name][1:]))
    direction = jax.tree.map(lambda p: jnp.cos(jnp.arange(p.size, dtype=p.dtype)).reshape(p.shape), params)

    @jax.jit
    def both(params, batch):
        traced = trace("test", loss, params, batch)
        sums = example_sums(traced, loss, params, batch)
        measured = probed_value_and_grad(traced, sums.probes(), params, batch)[2]
        grads = jax.vmap(lambda x: jax.grad(loss)(params, jax.tree.map(lambda x: x[None], x)))(batch)
        taken = jax.vmap(lambda g: (tree_norm(g), tree_dot(g, direction)))(grads)
        return (sums.norms(measured), sums.projections(measured, direction)), taken

    for ours, wanted in zip(*both(params, batch), strict=True):
        assert np.all(np.isfinite(wanted))
        assert np.all(wanted != 0)
        np.testing.assert_allclose(ours, wanted, rtol=64 * EPS, atol=64 * EPS * np.max(np.abs(wanted)))


def of_outputs(f):
    """A loss of a dense network's outputs."""
    return lambda p, b: f(mlp(p, b[0]), b[1])


@jax.custom_vjp
def clipped(z):
    return z


clipped.defvjp(lambda z: (z, None), lambda _, g: (g / jnp.max(jnp.abs(g)),))
error = lambda z, y: (z - y) ** 2  # noqa: E731
# What ties examples together, or is no mean of what they give alone.
TOGETHER = {
    "batch normalisation": of_outputs(lambda z, y: jnp.mean(error((z - z.mean(0)) / z.std(0), y))),
    "each with all": of_outputs(lambda z, y: jnp.mean(error(z @ z.T, y @ y.T))),
    "each with the next": of_outputs(lambda z, y: jnp.mean(error(jnp.roll(z, 1, 0), y))),
    "in reverse": of_outputs(lambda z, y: jnp.mean(error(z[::-1], y))),
    "sorted": of_outputs(lambda z, y: jnp.mean(error(jnp.sort(z, 0), y))),
    "summed up to each": of_outputs(lambda z, y: jnp.mean(error(jnp.cumsum(z, 0), y))),
    "others by number": of_outputs(lambda z, y: jnp.mean(error(z[jnp.array([1, 0, *range(2, len(y))])], y))),
    "shifted": of_outputs(lambda z, y: jnp.mean(error(lax.pad(z, jnp.zeros((), z.dtype), ((1, -1, 0), (0, 0, 0))), y))),
    "those of others": of_outputs(
        lambda z, y: jnp.mean(z.at[(y[:, 0] > 0).astype(int)].get(mode="clip", wrap_negative_indices=False) ** 2)
    ),
    "the worst": of_outputs(lambda z, y: jnp.max(jnp.mean(error(z, y), 1)) / len(y)),
    "the first": of_outputs(lambda z, y: jnp.mean(error(z, y)[0])),
    "a sum": of_outputs(lambda z, y: jnp.sum(error(z, y))),
    "a sum with the mean in it": of_outputs(lambda z, y: jnp.sum(error(z, y) + jnp.mean(z)) / 3),
    "in another layout": of_outputs(lambda z, y: jnp.mean(error(z.reshape(3, -1), y.T))),
    "a root": of_outputs(lambda z, y: jnp.sqrt(jnp.mean(error(z, y)))),
    "a product": of_outputs(lambda z, y: jnp.mean(error(z, y)) * jnp.mean(jnp.abs(z))),
    "a mean of those that count": of_outputs(lambda z, y: jnp.sum(error(z, y) * (y > 0)) / jnp.sum(y > 0)),
    "weights by size": of_outputs(lambda z, y: jnp.mean(error(z, y) * len(y))),
    "another backward pass": of_outputs(lambda z, y: jnp.mean(error(clipped(z), y))),
    "another size": of_outputs(lambda z, y: jnp.mean(error(z.reshape(8, 3), y))),
    "a loop": of_outputs(lambda z, y: jnp.mean(error(lax.fori_loop(0, 3, lambda _, z: jnp.roll(z, 1, 0), z), y))),
    "a branch by all": of_outputs(lambda z, y: lax.cond(jnp.sum(y) > 0, lambda: jnp.mean(z**2), lambda: jnp.mean(z))),
    "pooled": of_outputs(
        lambda z, y: jnp.mean(lax.reduce_window(error(z, y), 0.0, lax.add, (2, 1), (1, 1), "SAME"))
    ),
    "weights turned before they are sliced": lambda p, b: jnp.mean(
        lax.scan(lambda h, w: (jnp.tanh(h * w), None), jnp.tanh(b[0] @ p["w0"] + p["b0"]), p["w1"].T)[0] ** 2
    ),
    "weights used twice": lambda p, b: squared_error(mlp(p, b[0]), b[1]) + jnp.sum(p["w1"] ** 2),
}  # fmt: skip


@pytest.mark.parametrize("name", TOGETHER)
def test_where_examples_are_tied_together_it_is_not_done(name):
    loss = TOGETHER[name]
    assert np.isfinite(loss(MLP, (X, Y)))
    assert example_sums(trace("test", loss, MLP, (X, Y)), loss, MLP, (X, Y)) is None
