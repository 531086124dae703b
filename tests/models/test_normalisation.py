"""Normalisations and dropout: alone, against Flax's and NumPy's, and as layers of a network."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import init, models, theory

KEY = jax.random.key(2)
SCALE, SHIFT = np.linspace(0.5, 2, 12), np.linspace(-1, 1, 12)
EPS = np.finfo(np.float64).eps


def doubles(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


# Without its fast variance, E x^2 - (E x)^2, which loses digits.
FLAX = {
    "batch": (
        lambda x: models.batch_norm(x, SCALE, SHIFT),
        nn.BatchNorm(use_running_average=False, epsilon=1e-5, use_fast_variance=False),
    ),
    "layer": (
        lambda x: models.layer_norm(x, SCALE, SHIFT),
        nn.LayerNorm(epsilon=1e-5, use_fast_variance=False),
    ),
    "rms": (lambda x: models.rms_norm(x, SCALE), nn.RMSNorm(epsilon=1e-5)),
    "group": (
        lambda x: models.group_norm(x, SCALE, SHIFT, groups=3),
        nn.GroupNorm(num_groups=3, epsilon=1e-5, use_fast_variance=False),
    ),
}


def test_normalisations_and_their_gradients_are_flaxs():
    with jax.enable_x64(True):
        x, weights = doubles(0, 5, 3, 2, 12) * 0.1 + 0.3, doubles(1, 5, 3, 2, 12)

        def flax(name):
            scale_and_bias = {"scale": SCALE} if name == "rms" else {"scale": SCALE, "bias": SHIFT}
            stats = {"batch_stats": {"mean": jnp.zeros(12), "var": jnp.ones(12)}} if name == "batch" else {}
            apply = lambda x: FLAX[name][1].apply({"params": scale_and_bias} | stats, x, mutable=["batch_stats"])  # noqa: E731
            return lambda x: apply(x)[0]

        def with_gradient(f, x):
            y, pull = jax.vjp(f, x)
            return y, pull(weights)[0]

        both = lambda x: {name: [with_gradient(f, x) for f in (FLAX[name][0], flax(name))] for name in FLAX}  # noqa: E731
        for ours, theirs in jax.jit(both)(x).values():
            for a, b in zip(ours, theirs, strict=True):
                chex.assert_tree_all_finite(a)
                atol = 200 * EPS * np.max(abs(b))  # sums over 30 and more numbers, in another order
                np.testing.assert_allclose(a, b, rtol=0, atol=atol, strict=True)


def test_each_is_its_formula_in_numpy_and_given_moments_take_the_place_of_the_batchs():
    with jax.enable_x64(True):
        x = doubles(3, 6, 4, 12) * 2 + 1
        rows = np.asarray(x).reshape(-1, 12)
        mu, var = rows.mean(0), rows.var(0)
        expected = ((np.asarray(x) - mu) / np.sqrt(var + 0.01)) * SCALE + SHIFT
        np.testing.assert_allclose(models.batch_norm(x, SCALE, SHIFT, eps=0.01), expected, rtol=1e-12, atol=1e-12)
        given = models.batch_norm(x[0, 0], SCALE, SHIFT, mu, var, eps=0.01)
        np.testing.assert_allclose(given, expected[0, 0], rtol=1e-12, atol=1e-12)
        row = np.asarray(x[1, 2])
        np.testing.assert_allclose(
            models.layer_norm(x)[1, 2], (row - row.mean()) / np.sqrt(row.var() + 1e-5), rtol=1e-12
        )
        np.testing.assert_allclose(models.rms_norm(x)[1, 2], row / np.sqrt(np.mean(row**2) + 1e-5), rtol=1e-12)
        group = np.asarray(x[1, :, 4:8])  # the second of three, over all places
        expected = (group - group.mean()) / np.sqrt(group.var() + 1e-5)
        np.testing.assert_allclose(models.group_norm(x, groups=3)[1, :, 4:8], expected, rtol=1e-12)


NORMS = {"batch": models.batch_norm, "layer": models.layer_norm, "rms": models.rms_norm, "group": models.group_norm}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16])
def test_what_is_constant_gives_no_nan_nor_do_its_gradients(dtype):
    @jax.jit
    def all_of(x):
        results = {}
        for name, norm in NORMS.items():
            y, pull = jax.vjp(norm, x, jnp.ones(32, dtype))
            results[name] = y, pull(jnp.ones_like(y))
        return results

    for value in (0.0, 300.0):  # whose square float16 does not hold
        for name, (y, gradients) in all_of(jnp.full((4, 32), value, dtype)).items():
            assert y.dtype == dtype
            np.testing.assert_allclose(y, 1.0 if name == "rms" and value else 0.0, atol=1e-3)
            chex.assert_tree_all_finite(gradients)


# ---- In a network.

SIZES = (4, 6, 6, 6, 5, 3)
BLOCKS = {
    "batch": lambda z: (z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5),
    "layer": lambda z: (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5),
    "rms": lambda z: z / np.sqrt(np.mean(z**2, axis=1, keepdims=True) + 1e-5),
}


def drawn(model):
    """Parameters as the model has them."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, KEY))
    return structure.unflatten([doubles(i, *p.shape) for i, p in enumerate(leaves)])


@pytest.mark.parametrize("norm", BLOCKS)
def test_a_network_with_a_norm_is_the_formula_in_numpy(norm):
    with jax.enable_x64(True):
        model = models.mlp(SIZES, "tanh", dtype=jnp.float64, norm=norm)
        params = drawn(model)
        assert set(params["hidden_1"]) == {"weight", "scale", "shift"}
        assert set(params["last"]) == {"weight", "bias"}
        x = doubles(9, 8, 4)
        output, signals = jax.jit(model.trace_layers)(params, x)
        p = jax.tree.map(np.asarray, params)
        stacks = [jax.tree.map(lambda v, i=i: v[i], p["hidden_1"]) for i in range(2)]
        a = np.asarray(x)
        for layer in (p["first"], *stacks, jax.tree.map(lambda v: v[0], p["hidden_2"])):
            z = BLOCKS[norm](a @ layer["weight"]) * layer["scale"] + layer["shift"]
            a = np.tanh(z)
        np.testing.assert_allclose(signals["hidden_2"][0][0], z, rtol=1e-11, atol=1e-11)
        expected = a @ p["last"]["weight"] + p["last"]["bias"]
        np.testing.assert_allclose(output, expected, rtol=1e-11, atol=1e-11, strict=True)


def test_a_networks_norms_start_at_scale_1_and_shift_0_or_what_draws_biases():
    weights = init.constant(0.1)  # which compiles in no time
    params = models.mlp((4, 6, 6, 6, 3), weights=weights, norm="layer").init(KEY)
    np.testing.assert_array_equal(params["hidden"]["scale"], np.ones((2, 6), np.float32))
    np.testing.assert_array_equal(params["hidden"]["shift"], np.zeros((2, 6), np.float32))
    assert models.mlp((4, 6, 3), "relu", weights, weights, norm="rms").init(KEY)["first"]["shift"][0] == np.float32(0.1)
    without = jax.eval_shape(models.mlp(SIZES, norm="rms", bias=False).init, KEY)
    assert set(without["first"]) == {"weight", "scale"}
    assert set(without["last"]) == {"weight"}


def singles(model):
    """Parameters as the model has them, in float32."""
    return jax.tree.map(lambda p: p.astype(jnp.float32), drawn(model))


def test_with_a_batchs_statistics_single_examples_come_out_as_they_did_in_it():
    model, x = models.mlp(SIZES, norm="batch"), normal(4, 16, 4)

    @jax.jit
    def outputs(params):
        statistics = model.batch_statistics(params, x)
        one = model.apply(params, x[3], statistics=statistics)
        return statistics, one, model.apply(params, x), model.apply(params, x[:8])

    statistics, one, whole, half = outputs(singles(model))
    assert jax.tree.map(jnp.shape, statistics["hidden_1"]) == models.Moments((2, 6), (2, 6))
    np.testing.assert_allclose(one, whole[3], rtol=1e-5, atol=1e-5)
    assert np.max(abs(half - whole[:8])) > 0.01  # half the batch's own are others


def test_batch_norms_gradients_grow_at_the_published_rate():
    batch, n, depth = 8, 256, 12
    model = models.mlp((n,) * (depth + 2), norm="batch", bias=False)
    weights = normal(0, 4, depth + 1, n, n) / 16
    params = {
        "first": {"weight": weights[:, 0], "scale": jnp.ones((4, n))},
        "hidden": {"weight": weights[:, 1:-1], "scale": jnp.ones((4, depth - 1, n))},
        "last": {"weight": weights[:, -1]},
    }
    x, aim = normal(1, batch, n), normal(5, batch, n)
    look = lambda params: models.layer_signals(model, params, x, lambda y: jnp.sum(y * aim))  # noqa: E731
    logs = np.mean(np.log(jax.jit(jax.vmap(look))(params).pre_activation_gradient), axis=0)
    growth = np.exp((logs[1] - logs[-3]) / (depth - 3))
    # Four networks of width 256, whose own factors differ by some per cent.
    assert growth == pytest.approx(theory.batch_norm_gradient_growth(batch), rel=0.03)


# ---- Dropout.


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    x = jnp.ones((200, 500))
    y = np.asarray(models.dropout(KEY, x, 0.3))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    # 10^5 draws: five standard errors of their share, sqrt(0.3 0.7 / 1e5).
    assert abs(np.mean(y == 0) - 0.3) < 0.0073
    np.testing.assert_array_equal(models.dropout(KEY, x, 0.0), x)
    assert models.dropout(KEY, x.astype(jnp.bfloat16), 0.5).dtype == jnp.bfloat16


def test_two_draws_of_dropout_part_as_far_as_theory_says():
    rate, weight_variance, bias_variance, width = 0.2, 1.5, 0.1, 500
    model = models.mlp((width,) * 12, "tanh", dropout=rate)
    expected = (
        0.39896  # theory.dropout_correlation("tanh", q, 1.5, 0.1, 0.8), q = theory.fixed_length("tanh", 1.5 / 0.8, 0.1)
    )
    std = {"weight": (weight_variance / width) ** 0.5, "bias": bias_variance**0.5}
    shapes = jax.tree_util.tree_leaves_with_path(jax.eval_shape(model.init, KEY))
    leaves = [std[path[-1].key] * normal(i, *p.shape) for i, (path, p) in enumerate(shapes)]
    params = jax.tree.unflatten(jax.tree.structure(jax.eval_shape(model.init, KEY)), leaves)
    twice = jax.jit(jax.vmap(lambda key: model.apply(params, normal(8, 4, width), key=key)))
    a, b = np.asarray(twice(jax.random.split(KEY, 2)), np.float64)
    # 4 inputs x 500 units: a correlation of n numbers strays by about (1 - c^2) / sqrt(n), and the network from the wide one.
    assert np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2)) == pytest.approx(expected, abs=0.05)


def test_without_a_key_nothing_is_left_out():
    model, plain, x = models.mlp(SIZES, dropout=0.5), models.mlp(SIZES), normal(4, 16, 4)
    outputs = jax.jit(lambda p: (model.apply(p, x), model.apply(p, x, key=KEY), plain.apply(p, x)))
    without, dropped, expected = outputs(singles(model))
    np.testing.assert_allclose(without, expected, rtol=1e-5, atol=1e-5)
    assert np.max(abs(dropped - expected)) > 0.1


X = jnp.ones((2, 4))
BATCH = models.mlp((4, 6, 3), norm="batch")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: models.batch_norm(X, jnp.ones(3)),
            r"batch_norm needs scale of shape \(4,\) or a number.*given \(3,\)",
        ),
        (lambda: models.batch_norm(X, mean=jnp.ones(4)), "both of mean and variance or neither"),
        (lambda: models.batch_norm(X[0]), r"x of shape \(batch, ..., features\) or a mean and a variance"),
        (lambda: models.layer_norm(X, eps=0.0), "layer_norm needs a finite eps > 0, and was given eps=0.0"),
        (lambda: models.rms_norm(jnp.ones(4, jnp.int32)), "rms_norm needs a floating-point x.*given int32"),
        (lambda: models.group_norm(X, groups=3), "group_norm needs groups to divide the 4 channels.*groups=3"),
        (lambda: models.group_norm(X[0], groups=2), r"group_norm needs x of shape \(batch, ..., channels\)"),
        (lambda: models.dropout(KEY, X, 1.0), "dropout needs rate < 1, and was given rate=1.0"),
        (lambda: models.dropout(KEY, X, -0.1), "dropout needs 0 <= rate <= 1"),
        (lambda: models.mlp((4, 3), norm="bach"), "mlp needs norm to be 'batch' or 'layer' or 'rms'"),
        (lambda: models.mlp((4, 3), dropout="a"), "mlp needs 0 <= dropout <= 1, and was given dropout='a'"),
        (lambda: BATCH.apply(BATCH.init(KEY), X[0]), "batch_norm needs x of shape"),
        (
            lambda: BATCH.apply(BATCH.init(KEY), X, statistics={}),
            "'first/mean' is in batch_statistics but not in statistics",
        ),
        (lambda: theory.predict(BATCH), "predict needs a model made by mlp .without a norm. or deep_linear"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: (call(), 0)[1])  # at trace time
