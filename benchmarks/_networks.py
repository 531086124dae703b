"""Networks of a few sizes with their losses and batches: what instruments and curvature are timed on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gdfunc import models
from gdfunc.losses import softmax_cross_entropy


class Network(NamedTuple):
    """A loss of (params, batch), parameters, and one batch of random numbers."""

    loss_fn: Callable[[Any, Any], Any]
    params: Any
    batch: Any


def mlp(batch: int = 128) -> Network:
    """784-1000-500-100-10, tanh."""
    return _classifier(models.mlp((784, 1000, 500, 100, 10), "tanh"), batch, 784)


def deep_mlp(batch: int = 128) -> Network:
    """100 layers of 100 units, relu, scanned."""
    return _classifier(models.mlp((64, *[100] * 99, 10), "relu"), batch, 64)


def _classifier(model: models.Model, batch: int, inputs: int) -> Network:
    key = jax.random.key(0)
    x = jax.random.normal(key, (batch, inputs))
    labels = jax.random.randint(key, (batch,), 0, 10)
    loss = lambda params, batch: softmax_cross_entropy(model.apply(params, batch[0]), batch[1]).mean()  # noqa: E731
    return Network(loss, model.init(key), (x, labels))


def conv_net(batch: int = 64) -> Network:
    """Two convolutions with pooling and two dense layers (2c2d) on 28 x 28 images, relu."""
    keys = jax.random.split(jax.random.key(0), 5)
    he = lambda key, shape, fan_in: (2 / fan_in) ** 0.5 * jax.random.normal(key, shape)  # noqa: E731
    params = {
        "conv1": {"w": he(keys[0], (5, 5, 1, 32), 25), "b": jnp.zeros(32)},
        "conv2": {"w": he(keys[1], (5, 5, 32, 64), 800), "b": jnp.zeros(64)},
        "dense1": {"w": he(keys[2], (3136, 1024), 3136), "b": jnp.zeros(1024)},
        "dense2": {"w": he(keys[3], (1024, 10), 1024), "b": jnp.zeros(10)},
    }

    def conv(p, x):
        x = jax.lax.conv_general_dilated(x, p["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + p["b"])
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss(params, batch):
        x = conv(params["conv2"], conv(params["conv1"], batch[0])).reshape(len(batch[0]), -1)
        x = jax.nn.relu(x @ params["dense1"]["w"] + params["dense1"]["b"])
        return softmax_cross_entropy(x @ params["dense2"]["w"] + params["dense2"]["b"], batch[1]).mean()

    x = jax.random.normal(keys[4], (batch, 28, 28, 1))
    return Network(loss, params, (x, jax.random.randint(keys[4], (batch,), 0, 10)))


def transformer(batch: int = 8, length: int = 64, width: int = 128, blocks: int = 4, words: int = 256) -> Network:
    """Four blocks of attention and a dense layer of four times the width, layer norm before each, scanned."""
    keys = jax.random.split(jax.random.key(0), 8)
    draw = lambda key, shape: shape[-2] ** -0.5 * jax.random.normal(key, shape)  # noqa: E731
    params = {
        "embed": jax.random.normal(keys[0], (words, width)) / width**0.5,
        "blocks": {
            "qkv": draw(keys[1], (blocks, width, 3 * width)),
            "out": draw(keys[2], (blocks, width, width)),
            "up": draw(keys[3], (blocks, width, 4 * width)),
            "down": draw(keys[4], (blocks, 4 * width, width)),
        },
        "head": draw(keys[5], (width, words)),
    }
    heads = 4

    def norm(x):
        return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-6)

    def block(x, p):
        q, k, v = (y.reshape(*x.shape[:2], heads, -1) for y in jnp.split(norm(x) @ p["qkv"], 3, -1))
        x = x + jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape) @ p["out"]
        return x + jax.nn.gelu(norm(x) @ p["up"]) @ p["down"], None

    def loss(params, batch):
        x = jax.lax.scan(block, params["embed"][batch[:, :-1]], params["blocks"])[0]
        return softmax_cross_entropy(norm(x) @ params["head"], batch[:, 1:]).mean()

    return Network(loss, params, jax.random.randint(keys[6], (batch, length + 1), 0, words))


NETWORKS = {"MLP": mlp, "100-layer MLP": deep_mlp, "2c2d conv net": conv_net, "4-block transformer": transformer}
