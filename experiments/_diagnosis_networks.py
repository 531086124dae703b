"""Networks for `diagnosis_confusion.py`: healthy ones of many kinds, and the same with one fault planted."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd

RULES = {"sgd": gd.rules.SGD(0.05), "momentum": gd.rules.SGD(0.01, momentum=0.9), "adam": gd.rules.Adam(1e-3)}


class Net(NamedTuple):
    """A network to diagnose. What is planted: "" for nothing, a kind, or a kind and the layer that has to be named."""

    planted: str
    name: str
    loss_fn: Callable
    params: Any
    batch: Any
    rule: Any = RULES["sgd"]
    layer: str | None = None


# --- Data: 128 rows each ----------------------------------------------------------------------------------------------


@cache
def data(name, width=0):
    rng = np.random.default_rng(0)
    if name in ("digits", "unit", "rows", "image"):
        d = gd.data.digits(scaling="unit" if name == "unit" else "standardised")
        shape = {"rows": (8, 8), "image": (8, 8, 1)}.get(name, (64,))
        return d.x_train[:128].reshape(-1, *shape), d.y_train[:128]
    if name == "spirals":
        d = gd.data.spirals(128, 2)
        return d.x_train, d.y_train
    if name == "moons":
        d = gd.data.two_moons(128, 2)
        return d.x_train, d.y_train
    if name == "regression":
        d = gd.data.linear_regression(128, 2)
        return d.x_train, d.y_train
    if name == "one-hot":  # four categories of unequal sizes, side by side
        picks = [rng.choice(8, 128, p=np.arange(1, 9) / 36) for _ in range(4)]
        return np.concatenate([np.eye(8, dtype=np.float32)[p] for p in picks], 1), (picks[0] + picks[1]) % 10
    tokens = rng.integers(0, 16, (128, 9))
    return tokens[:, :-1], tokens[:, 1:]


def error(output, y):
    if jnp.issubdtype(y.dtype, jnp.floating):
        return gd.losses.mean(gd.losses.squared_error(output, y))
    return gd.losses.mean(gd.losses.softmax_cross_entropy(output, y))


def loss_of(apply):
    return lambda params, batch: error(apply(params, batch[0]), batch[1])


# --- Weights: drawn with NumPy, which has nothing to compile ----------------------------------------------------------


def normal(rng, shape, gain=1.0):
    return gain * rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))


def uniform(rng, shape, gain=1.0):
    return gain * rng.uniform(-1, 1, shape) * np.sqrt(3 / np.prod(shape[:-1]))


def xavier(rng, shape, gain=1.0):
    return gain * rng.standard_normal(shape) * np.sqrt(2 / sum(shape))


def orthogonal(rng, shape, gain=1.0):
    q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    q = q * np.sign(np.diag(r))
    return gain * (q if q.shape == shape else q.T) * max(1, np.sqrt(shape[1] / shape[0]))


def draw(shapes, how, seed):
    """Weights by `how` and biases 0; stacked layers (`hidden`, `blocks`) are drawn one by one."""
    rng = np.random.default_rng(seed)

    def one(path, leaf):
        if path[-1].key.startswith("b"):
            return np.zeros(leaf.shape, np.float32)
        stacked = path[0].key.startswith(("hidden", "block"))
        w = np.stack([how(rng, leaf.shape[1:]) for _ in range(leaf.shape[0])]) if stacked else how(rng, leaf.shape)
        return w.astype(np.float32)

    return jax.tree_util.tree_map_with_path(one, shapes)


def tree(**shapes):
    """{"first/weight": (3, 4)} as a tree of shapes."""
    out: dict = {}
    for path, shape in shapes.items():
        layer, name = path.split("__")
        out.setdefault(layer, {})[name] = jax.ShapeDtypeStruct(shape, np.float32)
    return out


# --- Networks: (loss_fn, shapes of the parameters), one object each, so that equal programs are equal -------------------


@cache
def mlp(inputs, width, depth, outputs, activation):
    model = gd.models.mlp((inputs, *[width] * (depth - 1), outputs), activation)
    return loss_of(model.apply), jax.eval_shape(model.init, jax.random.key(0))


@cache
def conv(channels, activation):
    phi = gd.core.activation(activation)

    def layer(p, x, stride):
        z = jax.lax.conv_general_dilated(x, p["weight"], (stride, stride), "SAME", dimension_numbers=_NHWC)
        return phi(z + p["bias"])

    def apply(p, x):
        for name, stride in (("first", 1), ("second", 2), ("third", 1)):
            x = layer(p[name], x, stride)
        return x.mean((1, 2)) @ p["last"]["weight"] + p["last"]["bias"]

    c = channels
    return loss_of(apply), tree(
        first__weight=(3, 3, 1, c), first__bias=(c,), second__weight=(3, 3, c, c), second__bias=(c,),
        third__weight=(3, 3, c, c), third__bias=(c,), last__weight=(c, 10), last__bias=(10,),
    )  # fmt: skip


_NHWC = ("NHWC", "HWIO", "NHWC")


def normed(x):
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)


HEADS = {
    # Outputs that the labels fit.
    "log of a softmax": lambda z, y: -jnp.mean(jnp.log(picked(jax.nn.softmax(z), y))),
    "probabilities": lambda z, y: binary(jax.nn.sigmoid(z), jax.nn.one_hot(y, 10)),
    "tanh in range": lambda z, y: error(jnp.tanh(z), 0.9 * jnp.tanh(y)),
    "relu in range": lambda z, y: error(jax.nn.relu(z), jnp.abs(y)),
    "softcap": lambda z, y: error(30 * jnp.tanh(z / 30), y),
    "smooth labels": lambda z, y: error_of(z, gd.losses.smooth_labels(jax.nn.one_hot(y, 10), 0.1)),
    "huber": lambda z, y: gd.losses.mean(gd.losses.huber(z, y)),
    "hinge": lambda z, y: jnp.mean(jnp.maximum(0, 1 - z * (2 * jax.nn.one_hot(y, 10) - 1))),
    # Outputs that no labels, or not these, could fit.
    "softmax twice": lambda z, y: error(jax.nn.softmax(z), y),
    "softmax over one": lambda z, y: error(jax.nn.softmax(z), (y > 0).astype(z.dtype)),
    "sigmoid": lambda z, y: error(jax.nn.sigmoid(z), y),
    "relu": lambda z, y: error(jax.nn.relu(z), y),
    "tanh": lambda z, y: error(jnp.tanh(z), y),
    "(n, 1) - (n,)": lambda z, y: jnp.mean((z - y[:, 0]) ** 2),
}


def picked(p, y):
    return jnp.take_along_axis(p, y[:, None], 1)


def binary(p, t):
    return -jnp.mean(t * jnp.log(p + 1e-7) + (1 - t) * jnp.log(1 - p + 1e-7))


def error_of(z, labels):
    return gd.losses.mean(gd.losses.softmax_cross_entropy(z, labels))


@cache
def headed(head, inputs, width, depth, outputs, activation):
    """A perceptron, and what the loss makes of its output."""
    model = gd.models.mlp((inputs, *[width] * (depth - 1), outputs), activation)
    loss = lambda params, batch: HEADS[head](model.apply(params, batch[0]), batch[1])  # noqa: E731
    return loss, jax.eval_shape(model.init, jax.random.key(0))


@cache
def decayed(inputs, width, depth, outputs, activation):
    """A perceptron with a penalty on its weights in the loss."""
    plain, shapes = mlp(inputs, width, depth, outputs, activation)
    return lambda params, batch: plain(params, batch) + 1e-3 * gd.core.tree_norm(params) ** 2, shapes


@cache
def batch_normed(width, depth, skips):
    """A perceptron whose layers are normalised over the batch, plain or with skip connections."""

    def layer(x, w):
        z = x @ w
        z = jax.nn.relu((z - z.mean(0)) / jnp.sqrt(z.var(0) + 1e-5))
        return x + z / np.sqrt(depth) if skips else z, None

    def apply(p, x):
        x, _ = jax.lax.scan(layer, jax.nn.relu(x @ p["first"]["weight"]), p["hidden"]["weight"])
        return x @ p["last"]["weight"] + p["last"]["bias"]

    return loss_of(apply), tree(
        first__weight=(64, width), hidden__weight=(depth - 2, width, width), last__weight=(width, 10), last__bias=(10,)
    )


@cache
def residual(width, blocks, activation):
    phi = gd.core.activation(activation)

    def block(x, p):
        return x + phi(normed(x) @ p["weight_in"] + p["bias"]) @ p["weight_out"], None

    def apply(p, x):
        x, _ = jax.lax.scan(block, x @ p["first"]["weight"], p["blocks"])
        return normed(x) @ p["last"]["weight"] + p["last"]["bias"]

    return loss_of(apply), tree(
        first__weight=(64, width), blocks__weight_in=(blocks, width, width), blocks__bias=(blocks, width),
        blocks__weight_out=(blocks, width, width), last__weight=(width, 10), last__bias=(10,),
    )  # fmt: skip


@cache
def rnn(width, activation="tanh"):
    model = gd.models.rnn(8, width, 10, activation)
    return loss_of(model.apply), jax.eval_shape(model.init, jax.random.key(0))


@cache
def lstm(width):
    def apply(p, x):
        drive = jnp.swapaxes(x @ p["input"]["weight"] + p["input"]["bias"], 0, 1)

        def step(carry, drive):
            h, c = carry
            i, f, o, g = jnp.split(drive + h @ p["recurrent"]["weight"], 4, -1)
            c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zero = jnp.zeros((x.shape[0], width))
        (h, _), _ = jax.lax.scan(step, (zero, zero), drive)
        return h @ p["readout"]["weight"] + p["readout"]["bias"]

    return loss_of(apply), tree(
        input__weight=(8, 4 * width), input__bias=(4 * width,), recurrent__weight=(width, 4 * width),
        readout__weight=(width, 10), readout__bias=(10,),
    )  # fmt: skip


@cache
def transformer(width, blocks):
    def block(x, p):
        q, k, v = jnp.split(normed(x) @ p["weight_qkv"], 3, -1)
        scores = q @ jnp.swapaxes(k, 1, 2) / np.sqrt(width)
        mask = jnp.tril(jnp.ones(scores.shape[1:], bool))
        x = x + jax.nn.softmax(jnp.where(mask, scores, -1e9)) @ v @ p["weight_mixed"]
        return x + jax.nn.gelu(normed(x) @ p["weight_up"]) @ p["weight_down"], None

    def apply(p, tokens):
        x = p["embedding"]["weight"][tokens] * np.sqrt(16) + p["position"]["weight"]
        x, _ = jax.lax.scan(block, x, p["blocks"])
        return normed(x) @ p["last"]["weight"]

    w, n = width, blocks
    return loss_of(apply), tree(
        embedding__weight=(16, w), position__weight=(8, w), blocks__weight_qkv=(n, w, 3 * w),
        blocks__weight_mixed=(n, w, w), blocks__weight_up=(n, w, 2 * w), blocks__weight_down=(n, 2 * w, w),
        last__weight=(w, 16),
    )  # fmt: skip


# --- The two halves: thresholds were set on the first; the second, of other sizes, depths and seeds, is what is reported ---


class Half(NamedTuple):
    seeds: tuple[int, ...]
    width: int
    depths: tuple[int, int, int]  # shallow, middle, deep


HALVES = {"calibration": Half((0, 1), 48, (3, 8, 16)), "reported": Half((10, 11), 32, (4, 6, 20))}
REGRESSIONS = ("tanh in range", "relu in range", "huber")
GAINS = {activation: gd.init.gain(activation) for activation in ("relu", "tanh", "gelu", "silu")}


def fit(activation, how=normal):
    """An initialiser that keeps the size of what passes the activation."""
    return partial(how, gain=GAINS[activation])


def powered(activation, how, depth, sign):
    """An initialiser with which a gradient that would keep its size changes 300 times over the depth."""
    keeps = 1.0 if activation == "tanh" and sign < 0 else GAINS[activation]  # a tanh of small numbers is the identity
    return partial(how, gain=keeps * 10 ** (sign * 2.5 / (depth - 2)))


def healthy(half):
    """Nothing planted: initialisers fit for their activations, inputs near size 1, rates in common use."""
    for seed in half.seeds:
        yield from _healthy(half, seed)


def _healthy(half, seed):
    w, depths, hows, rules = half.width, half.depths, (normal, uniform, orthogonal), list(RULES)

    def net(name, made, how, on, rule, edit=lambda p: p):
        loss_fn, shapes = made
        return Net("", name, loss_fn, edit(draw(shapes, how, seed)), data(on), RULES[rule])

    for i, activation in enumerate(GAINS):
        for j, depth in enumerate(depths):
            how, rule = hows[(i + j + seed) % 3], rules[(i + 2 * j) % 3] if depth < 10 else "adam"
            made = mlp(64, w, depth, 10, activation)
            yield net(f"{activation} x{depth}, {how.__name__}", made, fit(activation, how), "digits", rule)
    shallow, middle, deep = depths
    yield net("pixels in [0, 1]", mlp(64, w, shallow, 10, "relu"), fit("relu"), "unit", "sgd")
    yield net("sigmoid", mlp(64, w, 3, 10, "sigmoid"), xavier, "digits", "momentum")
    yield net("sigmoid", mlp(64, w, 2, 10, "sigmoid"), xavier, "digits", "sgd")
    yield net("one-hot", mlp(32, w, shallow, 10, "relu"), fit("relu", uniform), "one-hot", "adam")
    yield net("one-hot, Xavier", mlp(32, w, shallow, 10, "relu"), xavier, "one-hot", "momentum")
    yield net("spirals", mlp(2, w, middle, 2, "tanh"), fit("tanh"), "spirals", "adam")
    yield net("two moons, Xavier", mlp(2, w, shallow, 2, "tanh"), xavier, "moons", "momentum")
    yield net("regression", mlp(10, w, shallow, 1, "gelu"), fit("gelu"), "regression", "adam")
    yield net("regression", mlp(10, w, shallow, 1, "relu"), fit("relu", orthogonal), "regression", "sgd")
    yield net("last layer at 0", mlp(64, w, shallow, 10, "relu"), fit("relu"), "digits", "sgd", zero_last)
    yield net("last layer at 0", mlp(64, w, middle, 10, "gelu"), fit("gelu"), "digits", "adam", zero_last)
    yield net("small last layer", mlp(64, w, shallow, 10, "tanh"), fit("tanh"), "digits", "momentum", small_last)
    yield net("conv", conv(w // 2, "relu"), fit("relu"), "image", "adam")
    yield net("conv", conv(w // 2, "relu"), fit("relu", uniform), "image", "momentum")
    yield net("conv", conv(w // 2, "gelu"), fit("gelu"), "image", "sgd")
    yield net("residual", residual(w, middle, "relu"), normal, "digits", "adam")
    yield net("residual, deep", residual(w, 2 * deep, "gelu"), normal, "digits", "adam")
    yield net("residual, branches at 0", residual(w, middle, "silu"), normal, "digits", "sgd", zero_branches)
    yield net("rnn", rnn(w), orthogonal, "rows", "adam")
    yield net("rnn", rnn(w), orthogonal, "rows", "sgd")
    yield net("rnn, relu, identity", rnn(w, "relu"), normal, "rows", "adam", identity)
    yield net("lstm", lstm(w), normal, "rows", "adam")
    yield net("lstm, Xavier", lstm(w), xavier, "rows", "sgd")
    yield net("transformer", transformer(w, 2), normal, "tokens", "adam")
    yield net("transformer, four blocks", transformer(w, 4), partial(normal, gain=0.7), "tokens", "adam")
    yield net("transformer, branches at 0", transformer(w, 2), normal, "tokens", "adam", zero_branches)
    for i, head in enumerate(list(HEADS)[:8]):
        on, inputs, outputs = ("regression", 10, 1) if head in REGRESSIONS else ("digits", 64, 10)
        made = headed(head, inputs, w, shallow, outputs, "tanh" if i % 2 else "relu")
        yield net(head, made, fit("relu"), on, "adam")
    yield net("weight decay in the loss", decayed(64, w, shallow, 10, "relu"), fit("relu"), "digits", "momentum")
    yield net("batch normalised, skips x40", batch_normed(w, 40, True), fit("relu"), "digits", "adam")


def edited(tree, **changes):
    """`edited(params, first__weight=f)`: f of that leaf, in a copy."""
    out = {layer: dict(leaves) for layer, leaves in tree.items()}
    for path, change in changes.items():
        layer, name = path.split("__")
        out[layer][name] = np.asarray(change(out[layer][name]), np.float32)
    return out


def at(index, change):
    """Changes one of the stacked layers."""
    return lambda w: np.stack([change(each) if i == index else each for i, each in enumerate(w)])


def times(factor):
    return lambda w: factor * w


def filled(value):
    return lambda w: np.full_like(w, value)


def zero_last(p):
    return edited(p, last__weight=times(0))


def small_last(p):
    return edited(p, last__weight=times(0.01))


def zero_branches(p):
    outs = [name for name in ("weight_out", "weight_mixed", "weight_down") if name in p["blocks"]]
    return edited(p, **{f"blocks__{name}": times(0) for name in outs})


def identity(p):
    return edited(p, recurrent__weight=lambda w: np.eye(len(w)))


def broken(half):
    """One fault each."""
    for seed in half.seeds:
        yield from _broken(half, seed)


def _broken(half, seed):
    w, (shallow, middle, deep) = half.width, half.depths

    def net(kind, name, made, how, on="digits", edit=lambda p: p, layer=None, rule=RULES["sgd"], change=lambda x: x):
        loss_fn, shapes = made
        x, y = data(on)
        return Net(kind, name, loss_fn, edit(draw(shapes, how, seed)), (change(x), y), rule, layer)

    def stack(activation, depth=shallow):
        return mlp(64, w, depth, 10, activation)

    # Through depth and through time.
    yield net("vanishing", "sigmoid", stack("sigmoid", middle + 4), xavier)
    yield net("vanishing", "sigmoid, deep", stack("sigmoid", deep), xavier)
    for activation, how in (("relu", normal), ("tanh", normal), ("gelu", uniform)):
        yield net("vanishing", f"{activation}, /300", stack(activation, middle), powered(activation, how, middle, -1))
    yield net("vanishing", "relu, gain 0.7, deep", stack("relu", deep), partial(orthogonal, gain=0.7))
    small = partial(edited, recurrent__weight=times(0.3))
    yield net("vanishing", "rnn, recurrent gain 0.3", rnn(w), orthogonal, "rows", small, "recurrent/weight")
    for activation, how in (("relu", normal), ("gelu", uniform), ("silu", normal)):
        yield net("exploding", f"{activation}, x300", stack(activation, middle), powered(activation, how, middle, 1))
    yield net("exploding", "relu, gain 3, deep", stack("relu", deep), partial(normal, gain=3))
    large = partial(edited, recurrent__weight=times(3))
    yield net("exploding", "rnn, recurrent gain 3", rnn(w, "relu"), orthogonal, "rows", large, "recurrent/weight")

    # Units.
    low = partial(edited, first__bias=filled(-20.0))
    yield net("dead_units", "first biases -20", stack("relu"), fit("relu"), edit=low, layer="first/weight")
    some = partial(edited, hidden__bias=at(1, lambda b: np.where(np.arange(len(b)) < 0.75 * len(b), -20.0, b)))
    name = "three quarters of a layer's biases -20"
    yield net("dead_units", name, stack("relu", middle), fit("relu"), edit=some, layer="hidden/weight[1]")
    low = partial(edited, second__bias=filled(-20.0))
    yield net("dead_units", "conv, biases -20", conv(w // 2, "relu"), fit("relu"), "image", low, "second/weight")
    yield after_huge_rate(net("dead_units", "after a huge rate", stack("relu", middle), fit("relu")))
    hot = partial(edited, first__weight=times(12))
    yield net("saturation", "tanh, gain 8", stack("tanh"), partial(normal, gain=8))
    yield net("saturation", "tanh, first x12", stack("tanh"), xavier, edit=hot, layer="first/weight")
    yield net("saturation", "sigmoid, gain 20", stack("sigmoid"), partial(normal, gain=20))
    hot = partial(edited, hidden__weight=at(1, times(12)))
    yield net("saturation", "tanh, one x12", stack("tanh", middle), xavier, edit=hot, layer="hidden/weight[1]")
    same = partial(edited, first__weight=filled(0.05), hidden__weight=filled(0.05), last__weight=filled(0.05))
    for activation in ("relu", "tanh", "sigmoid"):
        yield net("symmetric_init", f"{activation}, constant", stack(activation), xavier, edit=same)
    zeros = partial(edited, first__weight=filled(0.0), hidden__weight=filled(0.0), last__weight=filled(0.0))
    yield net("symmetric_init", "tanh, all 0", stack("tanh"), xavier, edit=zeros)

    name = "conv, constant"
    every = partial(edited, **{f"{layer}__weight": filled(0.1) for layer in ("first", "second", "third", "last")})
    yield net("symmetric_init", name, conv(w // 2, "relu"), normal, "image", every)

    # Inputs.
    for activation in ("relu", "gelu"):
        made = (stack(activation), fit(activation))
        yield net("poorly_scaled_input", "x100", *made, change=times(100))
        yield net("poorly_scaled_input", "+1000", *made, change=lambda x: x + 1000)
        yield net("poorly_scaled_input", "a feature x1000", *made, change=spoilt(lambda x: 1000 * x))
    yield net("poorly_scaled_input", "pixels in [0, 255]", stack("relu"), fit("relu"), "unit", change=times(255))
    yield net("poorly_scaled_input", "x0.001", stack("tanh"), xavier, change=times(1e-3))

    # Numbers and wiring.
    made = (stack("relu"), fit("relu"))
    start = net("nonfinite", "log of 0", *made)
    yield start._replace(loss_fn=log_of_0(start.loss_fn))
    yield start._replace(name="square root at 0", loss_fn=root_at_0(start.loss_fn))
    yield net("nonfinite", "NaN in the batch", *made, change=spoilt(lambda x: x * np.nan))
    large = partial(edited, last__weight=filled(np.inf))
    yield net("nonfinite", "infinite weight", *made, edit=large, layer="last/weight")
    start = start._replace(planted="unreached_parameters", name="not used", layer="spare/weight")
    spare = {"spare": {"weight": np.ones((w, w), np.float32)}}
    yield start._replace(params={**start.params, **spare}, loss_fn=without_spare(start.loss_fn))
    for layer in ("first", "hidden"):
        yield start._replace(name=f"{layer} frozen", loss_fn=frozen(start.loss_fn, layer), layer=f"{layer}/")

    # Rates.
    sgd, adam = gd.rules.SGD, gd.rules.Adam
    for kind, rates in (("rate_too_high", (4.0, 1.0, 0.3)), ("rate_too_low", (1e-5, 1e-6, 1e-6))):
        rules = {"tanh": sgd(rates[0]), "relu": sgd(rates[1], momentum=0.9), "gelu": adam(rates[2])}
        for activation, rule in rules.items():
            name = f"{type(rule).__name__} {rule.learning_rate:g}, {activation}"
            yield net(kind, name, stack(activation), fit(activation), rule=rule)
        yield net(kind, f"Adam {rates[2]:g}, conv", conv(w // 2, "relu"), fit("relu"), "image", rule=adam(rates[2]))
    for rule in (sgd(0.5), sgd(0.1, momentum=0.9)):
        name = f"SGD {rule.learning_rate:g}, relu x{middle}"
        yield net("rate_too_high", name, stack("relu", middle), fit("relu"), rule=rule)
    # The loss, and what is behind it.
    for head, on, inputs, outputs in (
        ("softmax twice", "digits", 64, 10),
        ("softmax over one", "regression", 10, 1),
        ("sigmoid", "regression", 10, 1),
        ("relu", "regression", 10, 1),
        ("tanh", "regression", 10, 1),
        ("(n, 1) - (n,)", "regression", 10, 1),
    ):
        made = headed(head, inputs, w, shallow, outputs, "relu")
        yield net("loss_mismatch", head, made, fit("relu"), on, layer="last/weight")
    yield net("shattered_gradients", "batch normalised, relu x40", batch_normed(w, 40, False), fit("relu"))
    yield net("shattered_gradients", "tanh x40, gain 2.5", stack("tanh", 40), partial(normal, gain=2.5))
    for activation in ("relu", "silu"):
        yield net("rank_collapse", f"{activation} x40", stack(activation, 40), fit(activation))


def spoilt(change):
    """Changes the pixel in the middle."""
    return lambda x: np.where(np.arange(x.shape[-1]) == 36, change(x), x).astype(np.float32)


@cache
def log_of_0(loss_fn):
    return lambda p, batch: loss_fn(p, batch) + jnp.log(0 * jnp.sum(p["last"]["bias"] ** 2))


@cache
def root_at_0(loss_fn):
    return lambda p, batch: loss_fn(p, batch) + jnp.sqrt(jnp.sum(p["last"]["bias"] ** 2))


@cache
def without_spare(loss_fn):
    return lambda p, batch: loss_fn({k: v for k, v in p.items() if k != "spare"}, batch)


@cache
def frozen(loss_fn, layer):
    return lambda p, batch: loss_fn({**p, layer: jax.lax.stop_gradient(p[layer])}, batch)


def after_huge_rate(net):
    """Three steps of Adam at a rate of 1: relu units are thrown to where they are 0 for everything."""
    return net._replace(params=trained(net._replace(rule=gd.rules.Adam(1.0)), 3)[0])


def trained(net, steps=100):
    """(parameters, losses, norms of updates over norms of all parameters) of so many updates on its batch."""
    return _trainer(net.loss_fn, steps)(net.rule, net.params, net.batch)


@cache
def _trainer(loss_fn, steps):
    def run(rule, params, batch):
        def step(carry, _):
            params, state = carry
            loss, grads = jax.value_and_grad(loss_fn)(params, batch)
            updates, state = rule.update(grads, state, params)
            ratio = gd.core.tree_norm(updates) / gd.core.tree_norm(params)
            return (gd.apply_updates(params, updates), state), (loss, ratio)

        (params, _), (losses, ratios) = jax.lax.scan(step, (params, rule.init(params)), None, length=steps)
        return params, losses, ratios

    return jax.jit(run)
