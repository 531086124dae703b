"""The convolutional network: against its formula in NumPy, and Flax's layers."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import models

KEY = jax.random.key(5)
INPUTS, CHANNELS, STRIDES, OUTPUTS = 2, (4, 4, 4, 5), (1, 1, 1, 2), 3
ORDER = ("first", "hidden_1", "hidden_2", "last")


def drawn(model):
    """Parameters as the model has them."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, KEY))
    return structure.unflatten([(normal(i, *p.shape) / 2).astype(p.dtype) for i, p in enumerate(leaves)])


def images(*shape):
    return jnp.asarray(np.asarray(normal(11, *shape), np.float64))


def square(y):
    return jnp.sum(jnp.sin(y) ** 2)


def layers_of(params):
    """The layers one by one."""
    layers = []
    for block in ORDER:
        stacked = block.startswith("hidden")
        n = len(params[block]["weight"]) if stacked else 1
        layers += [jax.tree.map(lambda x, i=i: x[i], params[block]) if stacked else params[block] for i in range(n)]
    return layers


def convolved(a, layer, stride):
    """The formula, place by place."""
    batch, height, width, _ = a.shape
    rows, columns = -(-height // stride), -(-width // stride)
    z = np.zeros((batch, rows, columns, len(layer["bias"])))
    # Half of what is missing, the smaller one, goes in front.
    top, left = (max((n - 1) * stride + 3 - size, 0) // 2 for n, size in ((rows, height), (columns, width)))
    for i, j, k, m in np.ndindex(rows, columns, 3, 3):
        y, x = i * stride + k - top, j * stride + m - left
        if 0 <= y < height and 0 <= x < width:
            z[:, i, j] += a[:, y, x] @ layer["weight"][k, m]
    return z + layer["bias"]


def test_a_conv_net_is_its_formula_place_by_place():
    with jax.enable_x64(True):
        model = models.conv_net(INPUTS, CHANNELS, OUTPUTS, "tanh", STRIDES, dtype=jnp.float64)
        params, x = drawn(model), images(3, 8, 5, INPUTS)
        *hidden, last = jax.tree.map(np.asarray, layers_of(params))
        a = np.asarray(x)
        for layer, stride in zip(hidden, STRIDES, strict=True):
            a = np.tanh(convolved(a, layer, stride))
        expected = a.mean(axis=(1, 2)) @ last["weight"] + last["bias"]
        y = jax.jit(model.apply)(params, x)
        assert y.shape == (3, OUTPUTS)
        np.testing.assert_allclose(y, expected, rtol=1e-12)
        # Where sides are even, a stride of 2 begins one place later than PyTorch's padding of 1 has it.
        other = np.pad(np.asarray(x)[:, :, :4], ((0, 0), (1, 1), (1, 1), (0, 0)))
        theirs = sum(other[:, k : k + 8 : 2, m : m + 4 : 2] @ hidden[0]["weight"][k, m] for k, m in np.ndindex(3, 3))
        assert not np.allclose(convolved(x[:, :, :4], hidden[0], 2), theirs + hidden[0]["bias"])


def test_gradients_and_layer_arrays_are_those_of_flaxs_layers_one_by_one():
    with jax.enable_x64(True):
        model = models.conv_net(INPUTS, CHANNELS, OUTPUTS, "tanh", STRIDES, dtype=jnp.float64)
        params, x = drawn(model), images(3, 6, 5, INPUTS)
        in_flax = [{"params": {"kernel": p["weight"], "bias": p["bias"]}} for p in layers_of(params)]
        convolutions = [
            nn.Conv(n, (3, 3), stride, param_dtype=jnp.float64) for n, stride in zip(CHANNELS, STRIDES, strict=True)
        ]

        def flaxs(layers, shifts, a=x):
            zs = []
            for layer, p, shift in zip(convolutions, layers, shifts, strict=False):
                zs.append(layer.apply(p, a) + shift)
                a = jnp.tanh(zs[-1])
            last = nn.Dense(OUTPUTS, param_dtype=jnp.float64)
            zs.append(last.apply(layers[-1], a.mean((1, 2))) + shifts[-1])
            return square(zs[-1]), zs

        @jax.jit
        def expected(layers):
            _, zs = flaxs(layers, [0.0] * len(layers))
            of = jax.grad(lambda *at: flaxs(*at)[0], argnums=(0, 1))
            return zs, of(layers, [jnp.zeros_like(z) for z in zs])

        zs, (layer_gradients, z_gradients) = expected(in_flax)
        found = jax.jit(lambda params: models.layer_arrays(model, params, x, square))(params)
        chex.assert_tree_all_finite(found)
        assert tuple(found.pre_activation) == ORDER

        def one_by_one(blocks):
            return [each for block in ORDER for each in (blocks[block] if "hidden" in block else blocks[block][None])]

        kernel_gradients = [p["params"]["kernel"] for p in layer_gradients]
        for ours, theirs in (
            (found.pre_activation, zs),
            (found.activation, [*map(jnp.tanh, zs[:-1]), zs[-1]]),
            (found.pre_activation_gradient, z_gradients),
            (found.weight_gradient, kernel_gradients),
        ):
            for a, b in zip(one_by_one(ours), theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13, strict=True)


def test_equal_layers_are_stacked_and_strided_ones_are_not():
    shapes = lambda **settings: {  # noqa: E731
        block: layer["weight"].shape
        for block, layer in jax.eval_shape(models.conv_net(1, **settings).init, KEY).items()
    }
    assert shapes(channels=(4, 4, 4, 6), outputs=3) == {
        "first": (3, 3, 1, 4),
        "hidden_1": (2, 3, 3, 4, 4),
        "hidden_2": (1, 3, 3, 4, 6),
        "last": (6, 3),
    }
    assert shapes(channels=(4, 4, 4), outputs=3, strides=(2, 2, 2))["hidden_2"] == (1, 3, 3, 4, 4)
    assert shapes(channels=(4,), outputs=3) == {"first": (3, 3, 1, 4), "last": (4, 3)}


def test_the_dtype_stays_and_a_wider_input_widens():
    model = models.conv_net(1, (4, 4, 4), 3, dtype=jnp.bfloat16)
    params = jax.eval_shape(model.init, KEY)
    for dtype in (jnp.bfloat16, jnp.float32):
        assert jax.eval_shape(model.apply, params, jnp.ones((2, 5, 5, 1), dtype)).dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.conv_net(1, (), 3), r"conv_net needs one or more channels.*given channels=\(\)"),
        (lambda: models.conv_net(1, (4, 0), 3), r"conv_net needs channels\[1\] to be an integer >= 1"),
        (lambda: models.conv_net(1, (4, 4), 3, strides=(1,)), r"as many strides.* strides=\(1,\)"),
        (lambda: models.conv_net(1, (4,), 3, strides=(0,)), r"strides\[0\]=0"),
        (
            lambda: models.conv_net(1, (4,), 3).apply({}, jnp.ones((2, 5, 5))),
            r"x of shape \(batch, height, width, 1\), and was given \(2, 5, 5\)",
        ),
        (lambda: models.conv_net(1, (4,), 3).apply({}, jnp.ones((2, 5, 5, 1))), "'first/bias' is in init but not in"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: (call(), 0)[1])  # at trace time
