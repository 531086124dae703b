"""Initialisations that look at data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import models

KEY = jax.random.key(4)
SIZES = (20, 60, 60, 60, 30, 10)
X = 3 * normal(0, 200, 20) + 1


def drawn(model, biases=0.0):
    """Parameters as the model has them, of sizes that no theory would give them."""
    shapes = jax.tree_util.tree_leaves_with_path(jax.eval_shape(model.init, KEY))
    draws = [normal(i, *p.shape) * (biases if "bias" in str(path) else 0.5) for i, (path, p) in enumerate(shapes)]
    return jax.tree.unflatten(jax.tree.structure(jax.eval_shape(model.init, KEY)), draws)


def fit(how, model, params, **options):
    return jax.jit(lambda params: how(model, params, X, **options))(params)


def outputs(params, phi):
    """Each layer's pre-activations, in NumPy."""
    a, zs = np.asarray(X, np.float64), []
    for name in sorted(params):
        layers = params[name]
        stack = range(layers["weight"].shape[0]) if name.startswith("hidden") else (...,)
        for i in stack:
            zs.append(a @ np.asarray(layers["weight"][i], np.float64) + np.asarray(layers.get("bias", 0.0)[i]))
            a = phi(zs[-1])
    return zs


@pytest.mark.parametrize(("activation", "phi"), [("tanh", np.tanh), ("relu", lambda z: np.maximum(z, 0))])
def test_lsuv_gives_every_layer_unit_variance_by_scaling_its_weights_alone(activation, phi):
    model = models.mlp(SIZES, activation)
    params = drawn(model)
    fitted = fit(models.lsuv, model, params)
    # One division does: z is linear in the weights, and without biases.
    np.testing.assert_allclose([z.var() for z in outputs(fitted, phi)], 1, rtol=1e-5)
    for name, block in params.items():
        ratio = np.asarray(fitted[name]["weight"] / block["weight"])
        per_layer = ratio.reshape(ratio.shape[0], -1) if name.startswith("hidden") else ratio.reshape(1, -1)
        np.testing.assert_allclose(per_layer, per_layer[:, :1] * np.ones_like(per_layer), rtol=1e-4)
        np.testing.assert_array_equal(fitted[name]["bias"], block["bias"])
    assert np.ptp([z.var() for z in outputs(params, phi)]) > 0.5


def test_with_biases_lsuv_divides_until_it_is_within_the_tolerance_and_no_oftener_than_it_may():
    model = models.mlp((20, 60, 10), "tanh")
    params = drawn(model, biases=0.7)
    fitted = fit(models.lsuv, model, params, tolerance=1e-3, iterations=50)
    np.testing.assert_allclose([z.var() for z in outputs(fitted, np.tanh)], 1, atol=1e-3)
    once = fit(models.lsuv, model, params, tolerance=1e-3, iterations=1)
    assert abs(outputs(once, np.tanh)[0].var() - 1) > 0.1
    loose = fit(models.lsuv, model, params, tolerance=1e9)
    np.testing.assert_array_equal(loose["first"]["weight"], params["first"]["weight"])


def test_lsuv_of_a_layer_that_does_not_vary_leaves_it():
    model = models.mlp((20, 6, 3), "relu")
    params = jax.tree.map(jnp.zeros_like, drawn(model))
    jax.tree.map(np.testing.assert_array_equal, fit(models.lsuv, model, params), params)


@pytest.mark.parametrize(("how", "options"), [(models.lsuv, {"tolerance": 1e-4}), (models.data_dependent, {})])
def test_a_residual_networks_layers_are_fitted_in_its_branches(how, options):
    model = models.residual(20, 12, 5, blocks=3, activation="tanh", learn_scale=True)
    fitted = jax.tree.map(np.asarray, fit(how, model, drawn(model), **options))
    layer = lambda p, a: a @ p["weight"] + p["bias"]  # noqa: E731
    x = layer(fitted["first"], np.asarray(X))
    seen = [x]
    for i in range(3):
        h = x
        for k in range(2):
            h = layer({name: fitted["hidden"][name][i, k] for name in ("weight", "bias")}, np.tanh(h))
            seen.append(h)
        x = x + fitted["hidden"]["branch_scale"][i] * h
    seen.append(layer(fitted["last"], np.tanh(x)))
    for z in seen:
        # LSUV's is the variance of all units together; units' of their own make that 1 too.
        np.testing.assert_allclose(z.var(), 1, rtol=1e-3)
        if how is models.data_dependent:
            np.testing.assert_allclose(z.std(0), 1, rtol=1e-3)
            np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)


def test_data_dependent_gives_every_unit_mean_0_and_variance_1_on_the_batch():
    model = models.mlp(SIZES, "relu")
    fitted = fit(models.data_dependent, model, drawn(model, biases=1.0))
    for z in outputs(fitted, lambda z: np.maximum(z, 0)):
        np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(z.std(0), 1, rtol=1e-4)


def test_data_dependent_moves_a_unit_that_does_not_vary_to_0_and_keeps_its_weights():
    model, x = models.mlp((20, 6, 3), "relu"), jnp.full((7, 20), 0.1)
    params = drawn(model)
    fitted = jax.jit(lambda params: models.data_dependent(model, params, x))(params)
    np.testing.assert_array_equal(fitted["first"]["weight"], params["first"]["weight"])
    np.testing.assert_allclose(jax.jit(model.apply)(fitted, x), 0, atol=1e-6)


MODEL = models.mlp((20, 6, 3))
BRANCHED = models.residual(20, 6, 3, blocks=2)
NORMED, LINEAR = models.mlp((20, 6, 3), norm="layer"), models.deep_linear((20, 6, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.lsuv(NORMED, NORMED.init(KEY), X), "lsuv needs a model whose layers can be fitted"),
        (lambda: models.lsuv(MODEL, MODEL.init(KEY), X[:, 1:]), r"mlp needs x of shape \(..., 20\)"),
        (lambda: models.lsuv(MODEL, {}, X), "mlp needs params and init alike"),
        (lambda: models.lsuv(BRANCHED, {}, X), "residual needs params and init alike"),
        (lambda: models.lsuv(MODEL, MODEL.init(KEY), X, tolerance=-1), "lsuv needs 0 <= tolerance"),
        (lambda: models.lsuv(MODEL, MODEL.init(KEY), X, iterations=0), "lsuv needs iterations to be an integer >= 1"),
        (lambda: models.data_dependent(LINEAR, LINEAR.init(KEY), X), "needs a model with biases"),
        (lambda: models.data_dependent(MODEL, MODEL.init(KEY), X[0]), r"x of shape \(batch, ..., inputs\)"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: (call(), 0)[1])  # at trace time
