"""Operations counted: derivatives are as cheap as the theory says."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.gradients import cost

L, WIDTH, BATCH = 4, 64, 32


def loss(weights, x):
    for w in weights:
        x = jnp.tanh(x @ w)
    return jnp.sum(x**2)


@pytest.fixture(scope="module")
def counted():
    return cost(loss, [jnp.ones((WIDTH, WIDTH))] * L, jnp.ones((BATCH, WIDTH)))


def test_a_networks_gradient_takes_three_products_a_layer_but_for_one(counted):
    np.testing.assert_allclose(counted.function, L * 2 * BATCH * WIDTH**2, rtol=0.02)  # the rest is the entries' own
    np.testing.assert_allclose(counted.gradient_ratio, (3 * L - 1) / L, rtol=0.02)


def test_a_product_with_the_hessian_costs_at_most_three_gradients_and_a_tenth(counted):
    assert 1 < counted.product_ratio < 3 * 1.1
    # Forward L and 2 L - 1 tangents, backward L - 1 and 4 L - 3: the first layer's data have no tangent, the gradient by
    # the weights is not asked for.
    np.testing.assert_allclose(counted.product, (8 * L - 5) * 2 * BATCH * WIDTH**2, rtol=0.03)


def test_the_gradient_is_cheap_however_many_parameters_there_are():
    for n in (10, 10_000):
        found = cost(lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), jnp.ones(n))
        assert found.gradient_ratio < 5


def test_a_mistake_is_named_with_what_is_needed():
    with pytest.raises(ValueError, match=re.escape("cost needs f to return a real floating-point scalar of shape ()")):
        cost(lambda p: p, jnp.ones(3))
    with pytest.raises(ValueError, match="cost needs real floating-point parameters, and was given int32"):
        cost(jnp.sum, jnp.arange(3))
