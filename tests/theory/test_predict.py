"""What random networks should show, layer by layer: against networks, and against what is known exactly."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc import init, models, theory

NETWORKS = 40
# Activation, weights, biases, width, depth: of every kind of activation, in order, on the edge and in chaos.
CELLS = {
    "relu, He, deep": ("relu", init.he_normal("relu"), None, (20, *[100] * 40, 10)),
    "tanh, critical": ("tanh", init.critical("tanh", 0.05), init.normal(0.05**0.5), (20, *[50] * 19, 10)),
    "tanh, chaotic, orthogonal": ("tanh", init.orthogonal(1.5), None, (20, *[50] * 19, 10)),
    "gelu, fan out, widths": ("gelu", init.variance_scaling(1.4, "out"), None, (20, 40, *[80] * 4, *[40] * 4, 10)),
}
KINDS = {"pre_activation": "pre_activation", "activation": "activation", "gradient": "pre_activation_gradient"}


def share_inside(cell):
    """Of the logarithms of every kind, in every layer of many networks: how many lie in the predicted interval."""
    activation, weights, biases, sizes = cell
    model = models.mlp(sizes, activation, weights, biases)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((1, 20)), jnp.float32)
    along = jnp.asarray(np.random.default_rng(1).standard_normal(10), jnp.float32)
    look = lambda key: models.layer_signals(model, model.init(key), x, lambda y: jnp.sum(y @ along))  # noqa: E731
    seen = jax.jit(jax.vmap(look))(jax.random.split(jax.random.key(len(sizes)), NETWORKS))
    expected = theory.predict(model, input_square=float(jnp.mean(x**2)))
    inside = []
    for kind, signal in KINDS.items():
        measured = np.asarray(getattr(seen, signal))
        if kind == "gradient":
            measured = measured / measured[:, -1:]
        low, high = (np.asarray(end) for end in getattr(expected, kind).interval())
        inside.append(
            (low * (1 - 1e-5) <= measured) & (measured <= high * (1 + 1e-5))
        )  # what is exact is so to rounding
    return np.mean(inside)


def test_95_percent_of_what_networks_show_lies_within_the_stated_spread():
    shares = {name: share_inside(cell) for name, cell in CELLS.items()}
    assert np.mean(list(shares.values())) >= 0.95
    assert min(shares.values()) >= 0.9, shares  # one cell's layers stray together


def test_the_spread_is_not_wider_than_networks_are():
    model = models.mlp((20, *[60] * 19, 10), "relu")
    x = jnp.ones((1, 20))
    look = lambda key: models.layer_signals(model, model.init(key), x, jnp.sum).pre_activation  # noqa: E731
    seen = np.log(jax.jit(jax.vmap(look))(jax.random.split(jax.random.key(0), 2000)))
    # 2000 networks know a standard deviation to 1.6 %; the second order in 5 / n is a few per cent more.
    np.testing.assert_allclose(seen[:, :-1].std(0), theory.predict(model).pre_activation.log_std[:-1], rtol=0.1)


def test_means_variances_and_what_forward_and_back_share_are_those_of_the_walk():
    """Given the layer below, units are independent: the walk of averages over 100 of them, 20,000 times."""
    gain, n, depth, draw = 1.0, 100, 20, np.random.default_rng(0)
    log_q = np.full(20_000, 2 * np.log(gain))
    lengths, factors = [log_q], []
    for _ in range(depth - 1):
        z = np.exp(log_q / 2)[:, None] * draw.standard_normal((20_000, n))
        a = np.tanh(z)
        slopes = ((1 - a**2) * draw.standard_normal(z.shape)) ** 2
        factors.append(np.log(gain**2 * slopes.mean(1)))
        log_q = np.log(gain**2 * (a**2).mean(1))
        lengths.append(log_q)
    back = np.cumsum(np.array(factors)[::-1], axis=0)[::-1]
    found = theory.predict(models.mlp((10, *[n] * depth), "tanh", init.variance_scaling(gain)))
    # The walk is known to 0.7 % of a standard deviation; the next order in 1 / n is a per cent or two.
    of_activation = np.array(lengths[1:]) - 2 * np.log(gain)
    for seen, each in ((back, found.gradient), (of_activation, found.activation)):
        typical, std = np.log(each.typical[: depth - 1]), each.log_std[: depth - 1]
        np.testing.assert_allclose((seen.mean(1) - typical) / std, 0, atol=0.03)
        np.testing.assert_allclose(seen.std(1) / std, 1, atol=0.05)  # of first order: 20 layers, 100 wide


def test_relus_logarithms_are_those_of_hanin_and_nica():
    with jax.enable_x64(True):
        n, depth = 100, 30
        found = theory.predict(models.mlp((10, *[n] * (depth - 1), n), "relu"))
        layers = np.arange(depth)
        np.testing.assert_allclose(found.pre_activation.log_std**2, (5 * layers + 2) / n, rtol=1e-9)
        np.testing.assert_allclose(
            np.log(found.pre_activation.typical), math.log(2) - (5 * layers + 2) / 2 / n, rtol=1e-9
        )
        above = depth - 1 - layers
        np.testing.assert_allclose(found.gradient.log_std**2, 5 * above / n, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(np.log(found.gradient.typical), -5 * above / 2 / n, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.gradient.mean, 1, rtol=1e-9)


def test_a_very_wide_network_is_the_maps_of_mean_field():
    with jax.enable_x64(True):
        model = models.mlp((10, *[10**7] * 5), "tanh", init.variance_scaling(1.3), init.normal(0.2))
        found = theory.predict(model, input_square=0.7)
        q = [1.3**2 * 0.7 + 0.04]
        for _ in range(4):
            q.append(float(theory.length_map("tanh", q[-1], 1.3**2, 0.04)))
        np.testing.assert_allclose(found.pre_activation.typical, q, rtol=1e-5)
        passed = [(each - 0.04) / 1.3**2 for each in q[1:]]
        np.testing.assert_allclose(found.activation.typical, [*passed, q[-1]], rtol=1e-5)
        chis = [float(theory.chi("tanh", each, 1.3**2)) for each in q[:-1]]
        back = [math.prod(chis[i:]) for i in range(5)]
        np.testing.assert_allclose(found.gradient.typical, back, rtol=1e-5)
        assert float(jnp.max(found.gradient.log_std)) < 1e-2


def test_orthogonal_weights_leave_a_linear_network_nothing_to_chance():
    with jax.enable_x64(True):
        found = theory.predict(models.mlp((40, *[40] * 50), "identity", init.orthogonal()))
    for each in found:
        np.testing.assert_allclose(each.typical, 1, rtol=1e-12)
        np.testing.assert_allclose(each.log_std**2, 0, atol=1e-12)


def test_biases_take_no_part_in_the_chance_of_weights():
    with jax.enable_x64(True):
        model = models.mlp((10, 50, 10**6, 10), "tanh", init.variance_scaling(1.0), init.normal(0.7))
        found = theory.predict(model)
        z = np.linspace(-12, 12, 200_001)
        q = 1.49  # of the first layer
        density = np.exp(-(z**2) / 2 / q) / np.sum(np.exp(-(z**2) / 2 / q))
        squares, fourths = (np.sum(density * np.tanh(z) ** k) for k in (2, 4))
        # Var tanh^2 / 50 of the variance that the weights make, beside 0.49 of the biases.
        chance = (fourths - squares**2) / 50 / (squares + 0.49) ** 2
        np.testing.assert_allclose(found.pre_activation.log_std[1] ** 2, chance + 2 / 10**6, rtol=1e-5)


def test_orthogonal_projections_leave_to_chance_what_they_drop():
    # The squared length of 20 coordinates of a random direction in 40 has a Beta law, of relative variance 2 / 20 (1 - 20 / 40).
    with jax.enable_x64(True):
        down = theory.predict(models.mlp((40, 20), "identity", init.orthogonal()))
        up = theory.predict(models.mlp((10, 20, 40), "identity", init.orthogonal()))
    np.testing.assert_allclose(down.pre_activation.log_std**2, [0.05], rtol=1e-12)
    np.testing.assert_allclose(up.pre_activation.log_std**2, 0, atol=1e-12)
    np.testing.assert_allclose(up.gradient.log_std**2, [0.05, 0], rtol=1e-12, atol=1e-12)


def test_each_layer_has_its_own_width_forward_and_back():
    found = theory.predict(models.mlp((64, 100, 400, 10), "relu", init.he_normal("relu", fan="out")))
    wide = lambda x: np.log(np.asarray(x.mean))  # noqa: E731
    # He 2015, eq 10 and 14: fan out keeps the gradient, and loses 100 / 400 of the signal.
    np.testing.assert_allclose(np.diff(wide(found.pre_activation))[0], math.log(100 / 400), atol=1e-5)
    np.testing.assert_allclose(np.diff(wide(found.gradient))[0], 0, atol=1e-5)


def test_other_weights_may_be_given_and_it_is_differentiable_in_their_gain():
    sizes = (10, *[50] * 9, 10)
    own = theory.predict(models.mlp(sizes, "tanh", init.variance_scaling(1.2), init.normal(0.1)))
    given = theory.predict(models.mlp(sizes, "tanh"), init.variance_scaling(1.2), init.normal(0.1))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(own))
    jax.tree.map(np.testing.assert_array_equal, own, given)
    with jax.enable_x64(True):
        first = lambda gain: jnp.log(  # noqa: E731
            theory.predict(models.mlp(sizes, "tanh"), init.variance_scaling(gain)).gradient.typical[0]
        )
        quotient = (first(1.2 + 1e-5) - first(1.2 - 1e-5)) / 2e-5
        assert np.isfinite(quotient)
        np.testing.assert_allclose(jax.jit(jax.grad(first))(1.2), quotient, rtol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: theory.predict(models.rnn(3, 4, 2)), "predict needs a model made by mlp"),
        (lambda: theory.predict(models.mlp((3, 4)), init.sparse(0.5)), "given 'sparse'"),
        (lambda: theory.predict(models.mlp((3, 4)), init.constant(0.5)), "given 'constant'"),
        (lambda: theory.predict(models.mlp((3, 4)), lambda key, shape, dtype: 0), "random initialisers"),
        (lambda: theory.predict(models.mlp((3, 4)), init.zeros()), "not all 0"),
        (lambda: theory.predict(models.mlp((3, 4)), input_square=0), "input_square > 0"),
        (lambda: theory.predict(models.mlp((3, 4)), input_square=-1.0), "input_square >= 0"),
        (lambda: theory.predict(models.mlp((3, 4)), None, init.constant(1.0)), "biases from"),
    ],
)
def test_what_it_cannot_know_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
