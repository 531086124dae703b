"""The maximal update parametrisation, by the check of its authors: how much a step changes, at widths far apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc import init, models, theory
from gdfunc.core import by_path, leaf_paths
from gdfunc.rules import SGD

KEY = jax.random.key(6)
X, Y = normal(1, 4, 16), normal(2, 4, 3)
NARROW, WIDE = 64, 1024
RATES = {"sgd": 0.02, "adam": 1e-3}


def drawn(model):
    """Four networks' parameters as the model's laws have them, without biases' draws: they start at 0."""
    params = jax.tree.map(lambda p: np.zeros((4, *p.shape), np.float32), jax.eval_shape(model.init, KEY))
    for i, (block, layer) in enumerate(zip(("first", "hidden", "last"), model.layers, strict=True)):
        std = layer.weights.law.variance(layer.shape) ** 0.5
        params[block]["weight"] += std * np.asarray(normal(i, *params[block]["weight"].shape))
    return params


@jax.jit
def change(params, rates, adam):
    """The logarithm of how much one step changes the output, over networks."""
    output = models.mlp((16, *params["last"]["weight"].shape[-2:-1] * 2, 3)).apply

    def of_one(params):
        grads = jax.grad(lambda params: jnp.mean((output(params, X) - Y) ** 2))(params)
        step = lambda p, g, rate: p - rate * jnp.where(adam, g / (jnp.abs(g) + 1e-8), g)  # noqa: E731
        after = jax.tree.map(step, params, grads, rates)
        return jnp.log(jnp.mean((output(after, X) - output(params, X)) ** 2)) / 2

    return jnp.mean(jax.vmap(of_one)(params))


def test_a_steps_change_is_the_same_at_every_width_and_grows_with_it_in_the_standard_parametrisation():
    found = {}
    for width in (NARROW, WIDE):
        networks = {
            "standard": models.mlp((16, width, width, 3)),
            "mup": models.mup((16, width, width, 3), base_width=NARROW),
        }
        for name, model in networks.items():
            params = drawn(model)
            for rule, rate in RATES.items():
                factors = models.mup_factors(model, rule, NARROW).values() if name == "mup" else [1.0] * 6
                rates = jax.tree.unflatten(jax.tree.structure(params), [rate * factor for factor in factors])
                found[width, name, rule] = float(change(params, rates, rule == "adam"))
    for rule in RATES:
        slope = lambda name, rule=rule: (found[WIDE, name, rule] - found[NARROW, name, rule]) / np.log(WIDE / NARROW)  # noqa: E731
        # Four networks of width 64 stray by some 20 %; over a factor of 16 in width that is a slope of 0.1.
        assert abs(slope("mup")) < 0.15
        assert slope("standard") > 0.6
        # At the base width nothing differs.
        np.testing.assert_allclose(found[NARROW, "mup", rule], found[NARROW, "standard", rule], rtol=1e-4)


def test_the_factors_stand_at_the_leaves_that_by_path_takes():
    model = models.mup((16, 8, 8, 8, 3))
    factors = models.mup_factors(model, "sgd")
    params = jax.eval_shape(model.init, KEY)
    assert list(factors) == leaf_paths(params)
    params = jax.tree.map(lambda p: jnp.ones(p.shape), params)
    rule = by_path({leaf: SGD(factor) for leaf, factor in factors.items()})
    updates, _ = rule.update(params, rule.init(params), params)
    for u, factor in zip(jax.tree.leaves(updates), factors.values(), strict=True):
        np.testing.assert_array_equal(u, np.full(u.shape, -factor, np.float32))


def test_the_factors_are_the_papers_table():
    model = models.mup((16, 100, 200, 200, 3), base_width=50)
    sgd, adam = (models.mup_factors(model, rule, 50) for rule in ("sgd", "adam"))
    # The first hidden layer is 100 to 200 wide, the second 200 to 200.
    assert sgd == {
        "first/bias": 2.0,
        "first/weight": 2.0,
        "hidden_1/bias": 4.0,
        "hidden_1/weight": 1.0,
        "hidden_2/bias": 4.0,
        "hidden_2/weight": 1.0,
        "last/bias": 1.0,
        "last/weight": 0.25,
    }
    assert adam == {
        "first/bias": 1.0,
        "first/weight": 1.0,
        "hidden_1/bias": 1.0,
        "hidden_1/weight": 0.5,
        "hidden_2/bias": 1.0,
        "hidden_2/weight": 0.25,
        "last/bias": 1.0,
        "last/weight": 0.25,
    }


def test_at_its_base_width_it_is_the_mlp_and_beyond_only_its_output_is_smaller():
    plain, mup = models.mlp((16, 256, 256, 3)), models.mup((16, 256, 256, 3), base_width=64)
    for a, b, share in zip(plain.layers, mup.layers, (1, 1, 1 / 4), strict=True):
        assert b.weights.law.variance(b.shape) == pytest.approx(share * a.weights.law.variance(a.shape))
    last = jax.jit(lambda: [model.init(KEY)["last"]["weight"] for model in (plain, mup)])()
    np.testing.assert_allclose(last[1], last[0] / 2, rtol=1e-6)
    sizes = [float(theory.predict(model).pre_activation.mean[-1]) for model in (plain, mup)]
    assert sizes[1] / sizes[0] == pytest.approx(1 / 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.mup((16, 3)), "mup needs a network .* one of them hidden, and was given 1 layers"),
        (lambda: models.mup((16, 8, 3), base_width=0), "mup needs base_width to be an integer >= 1"),
        (lambda: models.mup_factors(models.mup((16, 8, 3)), "lion"), "mup_factors needs rule to be 'sgd' or 'adam'"),
        (lambda: models.mup_factors(models.mlp((16, 8, 3), norm="rms"), "sgd"), "needs a network of layers"),
        (lambda: init.mup_output(0.5), "mup_output needs 1 <= base_width"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        call()
