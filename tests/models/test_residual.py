"""Residual networks: the formula, its remedies, and what theory says of their size."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import init, models, theory

KEY = jax.random.key(3)
X = normal(1, 6, 4)


def drawn(model):
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, KEY))
    draws = [np.random.default_rng(i).standard_normal(p.shape) / 2 for i, p in enumerate(leaves)]
    return structure.unflatten([jnp.asarray(draw) for draw in draws])


def by_hand(params, x, norm=None, alpha=1.0):
    """(output, the stream after each block) of a plain loop over blocks and layers."""

    def layer(p, h):
        if norm:
            axis = 0 if norm == "batch" else 1
            h = (h - h.mean(axis, keepdims=True)) / jnp.sqrt(h.var(axis, keepdims=True) + 1e-5)
            return jnp.tanh(h * p["scale"] + p["shift"]) @ p["weight"] + p.get("bias", 0.0)
        before_phi, before_weight = p.get("shift", (0.0, 0.0))
        return (jnp.tanh(h + before_phi) + before_weight) @ p["weight"] + p.get("bias", 0.0)

    x = x @ params["first"]["weight"] + params["first"].get("bias", 0.0)
    stream, hidden = [x], dict(params["hidden"])
    alphas = hidden.pop("branch_scale", [alpha] * 3)
    for i in range(3):
        h = x
        for k in range(2):
            h = layer({name: p[i, k] for name, p in hidden.items()}, h)
        x = x + alphas[i] * h
        stream.append(x)
    return layer(params["last"], x), stream


CASES = {
    "plain": {"branch_scale": 0.3},
    "batch": {"norm": "batch"},
    "layer": {"norm": "layer", "learn_scale": True},
    "fixup": {"fixup": True},
}


@pytest.mark.parametrize("case", CASES)
def test_a_residual_network_and_its_gradients_are_those_of_a_plain_loop(case):
    options = CASES[case]
    with jax.enable_x64(True):
        model = models.residual(4, 5, 3, blocks=3, activation="tanh", dtype=jnp.float64, **options)
        x, aim = X.astype(float), normal(2, 6, 3).astype(float)
        alpha = options.get("branch_scale", 1.0)

        def ours(params):
            output, signals = model.trace_layers(params, x)
            stream = jnp.concatenate([signals["first"][0][None], signals["hidden"][0]])
            return jnp.sum(aim * output), (output, stream, signals["hidden"][1])

        def loop(params):
            output, stream = by_hand(params, x, options.get("norm"), alpha)
            return jnp.sum(aim * output), (output, jnp.stack(stream), jnp.diff(jnp.stack(stream), axis=0))

        both = jax.jit(lambda params: [jax.grad(f, has_aux=True)(params) for f in (ours, loop)])
        a, b = both(drawn(model))
        chex.assert_tree_all_finite(a)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11, strict=True), a, b)


def test_the_blocks_are_one_stack():
    params = jax.eval_shape(models.residual(4, 8, 3, blocks=5).init, KEY)
    assert jax.tree.map(jnp.shape, params, is_leaf=lambda p: hasattr(p, "shape")) == {
        "first": {"weight": (4, 8), "bias": (8,)},
        "hidden": {"weight": (5, 2, 8, 8), "bias": (5, 2, 8)},
        "last": {"weight": (8, 3), "bias": (3,)},
    }


def test_twice_the_blocks_have_as_many_operations():
    def operations(blocks):
        model = models.residual(4, 8, 3, blocks)
        return len(str(jax.make_jaxpr(model.apply)(jax.eval_shape(model.init, KEY), X)).splitlines())

    assert operations(200) == operations(100)


@pytest.mark.parametrize(("activation", "scale"), [("relu", 1.0), ("tanh", 0.5)])
def test_signals_and_gradients_grow_as_theory_says(activation, scale):
    n, blocks, weight_variance, seeds = 300, 6, 1.7, 12
    model = models.residual(n, n, n, blocks, 1, activation, branch_scale=scale)
    std = (weight_variance / n) ** 0.5
    shapes = {"first": (n, n), "hidden": (blocks, 1, n, n), "last": (n, n)}
    params = {
        name: {"weight": std * normal(i, seeds, *shape), "bias": jnp.zeros((seeds, *shape[:-2], n))}
        for i, (name, shape) in enumerate(shapes.items())
    }
    x, aim = normal(3, 8, n), normal(4, 8, n)
    look = lambda params: models.layer_signals(model, params, x, lambda y: jnp.sum(aim * y))  # noqa: E731
    seen = jax.jit(jax.vmap(look))(params)
    lengths, back = (
        np.exp(np.mean(np.log(s), axis=0))[:-1] for s in (seen.pre_activation, seen.pre_activation_gradient)
    )
    q, expected, chis = float(lengths[0]), [], []
    for _ in range(blocks):
        chis.append(float(theory.residual_chi(activation, q, weight_variance, scale)))
        q = float(theory.residual_length_map(activation, q, weight_variance, 0.0, scale))
        expected.append(q)
    # A branch of width n strays by at most sqrt(5 / n) = 13 %, and is half of what leaves the block: 16 % over six blocks, 5 %
    # over twelve networks. Two and a half of that.
    np.testing.assert_allclose(lengths[1:], expected, rtol=0.12)
    np.testing.assert_allclose(back[0] / back[-1], np.prod(chis), rtol=0.12)
    assert expected[-1] > 1.5 * float(lengths[0])


def start_of(model, params):
    """(each block's output over what went in first, the gradients once the output layer is not zero)."""

    @jax.jit
    def both(params):
        signals = model.trace_layers(params, X)[1]
        # Fixup's last layer is zero at the start, and so are the gradients before it.
        params = params | {"last": params["last"] | {"weight": normal(0, *params["last"]["weight"].shape)}}
        gradient = jax.grad(lambda params: jnp.sum(jnp.sin(model.apply(params, X))))(params)
        return signals["hidden"][0] - signals["first"][0], gradient["hidden"]

    return both(params)


def test_with_skip_init_every_block_starts_as_the_identity_and_its_scale_learns():
    weights = init.constant(0.1)  # which compiles in no time
    model = models.residual(4, 8, 3, blocks=5, weights=weights, branch_scale=0.0, learn_scale=True)
    added, gradient = start_of(model, model.init(KEY))
    assert not np.any(added)
    assert np.all(gradient["branch_scale"])


def test_with_fixup_every_block_starts_as_the_identity_and_its_last_weights_learn():
    model = models.residual(4, 60, 3, blocks=8, layers=3, fixup=True)
    params = jax.jit(model.init)(KEY)
    inside = np.asarray(params["hidden"]["weight"][:, :-1])
    # He's, by 8^(-1/4); 57,600 draws: a standard error of 0.3 %.
    np.testing.assert_allclose(inside.std(), np.sqrt(2 / 60) * 8 ** (-1 / 4), rtol=0.015)
    assert len(np.unique(inside[..., 0, :])) > 0.99 * 16 * 60  # every weight has a draw of its own
    assert not np.any(params["hidden"]["weight"][:, -1])
    assert not np.any(params["last"]["weight"])
    assert set(params["first"]) == {"weight"}
    assert params["hidden"]["shift"].shape == (8, 3, 2)
    np.testing.assert_array_equal(params["hidden"]["branch_scale"], np.ones(8, np.float32))
    added, gradient = start_of(model, params)
    assert not np.any(added)
    assert np.all(np.any(gradient["weight"][:, -1], axis=(1, 2)))


def test_with_fixup_a_first_steps_change_does_not_grow_with_depth():
    x, aim = normal(5, 8, 16), normal(6, 8, 4)

    @jax.jit
    def change(params):
        """To first order a step changes the output as much, at a rate of 1."""
        model = models.residual(16, 64, 4, len(params["hidden"]["weight"]), fixup=True)
        gradient = jax.grad(lambda params: jnp.sum(aim * model.apply(params, x)))(params)
        return jnp.sum(gradient["hidden"]["weight"] ** 2)

    def start(blocks):
        params = jax.eval_shape(models.residual(16, 64, 4, blocks, fixup=True).init, KEY)
        params = jax.tree.map(lambda p: np.zeros(p.shape, np.float32), params)
        params["first"]["weight"] += normal(1, 16, 64) * (2 / 16) ** 0.5
        std = init.fixup(blocks).law.variance((64, 64)) ** 0.5
        params["hidden"]["weight"][:, 0] = normal(2, blocks, 64, 64) * std
        params["hidden"]["branch_scale"] += 1
        params["last"]["weight"] += normal(7, 64, 4) / 8  # not zero, so that the branches move in the first step
        return params

    # Without the factor D^(-1/2) it would be 16 times as large.
    assert 0.5 < change(start(32)) / change(start(2)) < 2


def test_with_a_batchs_statistics_single_examples_come_out_as_they_did_in_it():
    model = models.residual(4, 8, 3, blocks=3, norm="batch")
    params = jax.tree.map(lambda p: p.astype(jnp.float32), drawn(model))

    @jax.jit
    def both(params):
        statistics = model.batch_statistics(params, X)
        return statistics, model.apply(params, X[2], statistics=statistics), model.apply(params, X)[2]

    statistics, one, in_it = both(params)
    assert statistics["hidden"].mean.shape == (3, 2, 8)
    np.testing.assert_allclose(one, in_it, rtol=1e-5, atol=1e-5)


MODEL = models.residual(4, 8, 3, blocks=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.residual(4, 8, 3, blocks=0), "residual needs blocks to be an integer >= 1"),
        (lambda: models.residual(4, 8, 3, 2, norm="group"), "residual needs norm to be"),
        (lambda: models.residual(4, 8, 3, 2, norm="batch", fixup=True), "residual needs fixup or a norm.*norm='batch'"),
        (lambda: models.residual(4, 8, 3, 2, 1, fixup=True), "fixup needs layers to be an integer >= 2.*layers=1"),
        (lambda: models.residual(4, 8, 3, 2, branch_scale="a"), "residual needs branch_scale to be a finite number"),
        (lambda: init.fixup(0), "fixup needs blocks to be an integer >= 1"),
        (lambda: MODEL.apply(MODEL.init(KEY), X[:, :3]), r"residual needs x of shape \(..., 4\).*given \(6, 3\)"),
        (lambda: MODEL.apply({}, X), "'first/bias' is in init but not in params"),
        (lambda: theory.predict(MODEL), "predict needs a model made by"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: (call(), 0)[1])  # at trace time
