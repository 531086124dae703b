"""The transformer: against Flax's layers one by one, what its mask and its positions are to do, and T-Fixup's scales."""

from dataclasses import replace

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import models

KEY = jax.random.key(5)
VOCABULARY, WIDTH, HEADS, LAYERS, OUTPUTS, TIME = 7, 6, 2, 2, 3, 4
TOKENS = np.random.default_rng(3).integers(0, VOCABULARY, (3, TIME))


def make(**settings):
    return models.transformer(VOCABULARY, WIDTH, HEADS, LAYERS, OUTPUTS, hidden=5, **settings)


def drawn(model):
    """Parameters as the model has them, scales and shifts too."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, KEY))
    return structure.unflatten([(normal(i, *p.shape) / 2).astype(p.dtype) for i, p in enumerate(leaves)])


def in_flax(params, tokens, causal, norm_place):
    """The same network from Flax's own layers, with these parameters."""
    wide = {"param_dtype": jnp.float64}

    def dense(p, x):
        return nn.Dense(len(p["bias"]), **wide).apply({"params": {"kernel": p["weight"], "bias": p["bias"]}}, x)

    def norm(p, x):
        return nn.LayerNorm(1e-5, **wide).apply({"params": {"scale": p["scale"], "bias": p["shift"]}}, x)

    def attend(p, x):
        heads = (HEADS, WIDTH // HEADS)
        theirs = {
            name: {"kernel": p[name]["weight"].reshape(WIDTH, *heads), "bias": p[name]["bias"].reshape(heads)}
            for name in ("query", "key", "value")
        }
        theirs["out"] = {"kernel": p["output"]["weight"].reshape(*heads, WIDTH), "bias": p["output"]["bias"]}
        mask = nn.make_causal_mask(tokens) if causal else None
        return nn.MultiHeadDotProductAttention(HEADS, **wide).apply({"params": theirs}, x, mask=mask)

    def mlp(p, x):
        return dense(p["out"], nn.gelu(dense(p["in"], x), approximate=False))

    table = np.zeros((TIME, WIDTH))
    for t, i in np.ndindex(TIME, WIDTH // 2):
        angle = t / 10000 ** (2 * i / WIDTH)
        table[t, 2 * i], table[t, 2 * i + 1] = np.sin(angle), np.cos(angle)
    embed = nn.Embed(VOCABULARY, WIDTH, **wide).apply({"params": {"embedding": params["embedding"]["weight"]}}, tokens)
    h = np.sqrt(WIDTH) * embed + params["embedding"].get("position", table)[:TIME]
    for n in range(LAYERS):
        p = jax.tree.map(lambda x, n=n: x[n], params["blocks"])
        for name, branch in (("attention", attend), ("mlp", mlp)):
            if norm_place == "pre":
                h = h + branch(p[name], norm(p[f"{name}_norm"], h))
            else:
                h = h + branch(p[name], h)
                h = norm(p[f"{name}_norm"], h) if norm_place == "post" else h
    return dense(params["readout"], norm(params["norm"], h) if norm_place == "pre" else h)


@pytest.mark.parametrize(
    ("norm_place", "causal", "length"), [("pre", True, None), ("post", False, 9), ("none", True, None)]
)
def test_outputs_are_those_of_flaxs_layers_with_the_same_weights(norm_place, causal, length):
    with jax.enable_x64(True):
        readout = "last" if norm_place == "none" else "all"
        model = make(norm_place=norm_place, causal=causal, length=length, readout=readout, dtype=jnp.float64)
        params, tokens = drawn(model), jnp.asarray(TOKENS)
        ours = jax.jit(model.apply)(params, tokens)
        theirs = jax.jit(lambda params: in_flax(params, tokens, causal, norm_place))(params)
        chex.assert_tree_all_finite(ours)
        expected = theirs[:, -1] if readout == "last" else theirs
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12, strict=True)


def test_a_causal_place_sees_none_after_it_and_a_token_from_without_makes_nan():
    model = make()
    params, apply = drawn(model), jax.jit(model.apply)
    later, without = TOKENS.copy(), TOKENS.copy()
    later[:, 2] = (later[:, 2] + 1) % VOCABULARY
    without[1, 0] = VOCABULARY
    y = apply(params, TOKENS)
    changed = np.max(np.abs(apply(params, later) - y), axis=(0, 2))
    assert np.all(changed[:2] == 0)
    assert np.all(changed[2:] > 1e-3)
    assert np.isfinite(apply(params, without)).all(axis=(1, 2)).tolist() == [True, False, True]


def test_blocks_are_stacked_and_each_matrix_drawn_apart_xaviers_or_with_variance_1_over_d():
    model = models.transformer(2000, 64, 4, LAYERS, 64, hidden=64)  # few shapes: each is a program
    params = model.init(KEY)
    names = ("query", "key", "value", "output")
    layers = [*(params["blocks"]["attention"][n] for n in names), *params["blocks"]["mlp"].values()]
    matrices = np.stack([layer["weight"] for layer in layers]).reshape(-1, 64, 64)
    assert len({w.tobytes() for w in matrices}) == 6 * LAYERS
    # A standard deviation of n numbers strays by at most 1 / sqrt(2 n) of it: 1.1 % for 64^2.
    np.testing.assert_allclose(np.std(matrices, axis=(1, 2)), (2 / 128) ** 0.5, rtol=0.04)
    np.testing.assert_allclose(np.std(params["embedding"]["weight"]), 64**-0.5, rtol=0.01)


def test_the_final_norm_goes_with_pre_and_the_dtype_stays():
    assert "norm" in jax.eval_shape(make().init, KEY)
    assert "norm" not in jax.eval_shape(make(norm_place="post").init, KEY)
    half = make(dtype=jnp.bfloat16)
    shapes = jax.eval_shape(half.init, KEY)
    assert {p.dtype for p in jax.tree.leaves(shapes)} == {jnp.dtype(jnp.bfloat16)}
    assert jax.eval_shape(half.apply, shapes, TOKENS).dtype == jnp.bfloat16


# ---- T-Fixup.


@pytest.mark.parametrize(("decoder", "factor"), [(True, 18**-0.25), (False, 0.67 * 2**-0.25)])
def test_t_fixup_scales_embeddings_values_outputs_and_mlps_and_nothing_else(decoder, factor):
    model = make(norm_place="none", length=9)
    before = drawn(model)
    after = models.t_fixup(replace(model, init=lambda key: before), decoder).init(KEY)
    expected = jax.tree.map(lambda p: p, before)
    expected["embedding"]["weight"] *= 18**-0.25
    for layer in (
        expected["blocks"]["attention"]["value"],
        expected["blocks"]["attention"]["output"],
        expected["blocks"]["mlp"]["in"],
        expected["blocks"]["mlp"]["out"],
    ):
        layer["weight"] *= factor
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, strict=True)
    assert models.t_fixup(model).apply is model.apply


def test_32_blocks_move_little_at_the_first_step_where_without_t_fixup_they_blow_up():
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, 20, (8, 12))
    model = models.transformer(20, 16, 2, 32, 20, norm_place="none")

    def xavier(path, p):
        """As `transformer` draws it, by NumPy: JAX would compile for seconds."""
        std = {"embedding": 16**-0.5}.get(path[0].key, (2 / sum(p.shape[-2:])) ** 0.5)
        return jnp.asarray(std * rng.standard_normal(p.shape) * (path[-1].key == "weight"), p.dtype)

    @jax.jit
    def moved(params):
        """By a step of gradient descent: the outputs' root mean square before it, and that of their change."""
        loss = lambda p: (-jnp.mean(jax.nn.log_softmax(y := model.apply(p, tokens))[..., 0]), y)  # noqa: E731
        gradient, y = jax.grad(loss, has_aux=True)(params)
        stepped = jax.tree.map(lambda p, g: p - 1e-3 * g, params, gradient)
        return jnp.stack([jnp.sqrt(jnp.mean(z**2)) for z in (y, model.apply(stepped, tokens) - y)])

    xaviers = jax.tree_util.tree_map_with_path(xavier, jax.eval_shape(model.init, KEY))
    size, change = moved(models.t_fixup(replace(model, init=lambda key: xaviers)).init(KEY))
    assert 0.1 < size < 3
    assert change < 0.1 * size  # seen: 0.01
    assert moved(xaviers)[0] > 1e4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.transformer(7, 6, 4, 2, 3), "transformer needs heads to divide width=6, and was given heads=4"),
        (lambda: models.transformer(7, None, 4, 2, 3), "transformer needs width to be an integer >= 1"),
        (lambda: make(length=0), "transformer needs length to be an integer >= 1"),
        (lambda: make(norm_place="before"), "needs norm_place to be 'pre' or 'post' or 'none'"),
        (lambda: make(readout="mean"), "transformer needs readout to be 'last' or 'all'"),
        (lambda: make().apply({}, jnp.ones((2, 4))), r"integer tokens of shape \(batch, time\).* float32"),
        (lambda: make(length=3).apply({}, TOKENS), r"time <= 3\), and was given int.* of shape \(3, 4\)"),
        (lambda: make().apply({}, TOKENS), "'blocks/attention/key/bias' is in init but not in params"),
        (lambda: models.t_fixup(make()), "t_fixup needs a model made by transformer with norm_place='none'"),
        (lambda: models.t_fixup(models.mlp((3, 4, 2))), "t_fixup needs .* given one with .*'first/bias'"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: (call(), 0)[1])  # at trace time
