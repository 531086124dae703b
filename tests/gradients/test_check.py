"""The check of gradients: it finds what is planted and where, and calls nothing wrong that is right."""

import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc.gradients import assert_gradients, check


def with_gradient(f, change):
    """`f` of one array, with a gradient that `change` has been at."""
    planted = jax.custom_vjp(f)
    planted.defvjp(lambda x: (f(x), x), lambda x, u: (change(jax.vjp(f, x)[1](u)[0]),))
    return planted


def net(activation=jnp.tanh):
    """A loss of two layers in float32, its parameters and batch; the biases are zero."""
    params = {"w1": normal(0, 5, 6), "b1": jnp.zeros(6), "w2": normal(1, 6, 3) / 2, "b2": jnp.zeros(3)}
    batch = normal(2, 16, 5), normal(3, 16, 3)

    def loss(p, batch):
        x, y = batch
        return jnp.mean((activation(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"] - y) ** 2)

    return loss, params, batch


@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.relu], ids=["tanh", "relu"])
def test_a_right_gradient_in_float32_is_called_right_and_small_errors_would_show(activation):
    loss, params, batch = net(activation)
    found = check(loss, params, batch)
    assert found.ok
    assert {leaf.verdict for leaf in found.leaves} <= {"right", "kink"}
    assert all(leaf.sees < 0.01 for leaf in found.leaves)
    assert str(found).startswith("the gradient has no error found (float32)\n  b1  right along ")


def test_among_many_kinks_no_right_gradient_is_called_wrong():
    rng = np.random.default_rng(0)
    at, jump = jnp.asarray(rng.uniform(-1, 1, 80)), jnp.asarray(rng.normal(size=80))
    # 300 points of one function whose slope jumps every 0.025; the largest step goes over a dozen jumps.
    f = lambda p: jnp.mean(jax.nn.relu(p[:, None] - at) @ jump)  # noqa: E731
    found = check(f, jnp.asarray(rng.uniform(-1, 1, 300)), entries=300)
    assert found.ok
    assert len(found.rows) < 60  # most of them are far enough from the next kink


def test_a_gradient_a_tenth_too_large_is_found_where_chex_finds_none():
    f = lambda p: jnp.sum(with_gradient(jnp.sin, lambda g: 1.1 * g)(p))  # noqa: E731
    p = jnp.linspace(-1, 1, 100)
    chex.assert_numerical_grads(f, (p,), order=1, modes=("rev",))
    found = check(f, p)
    assert not found.ok
    assert [row.where for row in found.rows] == [f"({i},)" for i in range(100)]
    np.testing.assert_allclose([row.gradient / row.slope for row in found.rows], 1.1, rtol=0.01)
    with pytest.raises(AssertionError, match=r"WRONG at \(0,\): jax.grad gives 0\.594.*: 10 % too large.*and 97 more"):
        assert_gradients(f, p)


def test_of_a_large_leaf_the_one_wrong_entry_is_found_by_halving():
    weights = normal(4, 40, 30)
    planted = with_gradient(lambda x: x * weights, lambda g: g.at[17, 4].add(3.0))
    f = lambda p, x: jnp.sum(jnp.tanh(planted(p["w"]) @ x)) + jnp.sum(p["b"] ** 2)  # noqa: E731
    found = check(f, {"w": normal(5, 40, 30) / 5, "b": jnp.ones(2)}, normal(6, 30) / 5)
    bias, kernel = found.leaves
    assert (bias.verdict, kernel.verdict) == ("right", "wrong")
    assert {row.where for row in kernel.rows} == {"(17, 4)"}
    np.testing.assert_allclose(abs(kernel.rows[0].gradient - kernel.rows[0].slope), 3, atol=2 * kernel.rows[0].error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: -g, "the sign is wrong"),
        (jnp.zeros_like, "nothing of it arrives"),
        (lambda g: g / 2, "50 % too small"),
        (lambda g: g.at[1].set(jnp.nan), "WRONG at (1,): jax.grad gives nan"),
    ],
    ids=["sign", "stopped", "half", "NaN"],
)
def test_what_is_wrong_is_said_in_words(change, words):
    f = lambda p: jnp.sum(with_gradient(jnp.exp, change)(p))  # noqa: E731
    with pytest.raises(AssertionError, match=re.escape(words)):
        assert_gradients(f, jnp.asarray([0.3, -0.5]))


def test_the_root_guarded_by_where_has_no_finite_gradient_and_that_is_no_pass():
    found = check(lambda p: jnp.sum(jnp.where(p > 0, jnp.sqrt(p), 0)), jnp.asarray([0.0, 1.0]))
    assert not found.ok
    assert [(row.verdict, row.where) for row in found.rows] == [("not finite", "(0,)")]


def test_relu_at_zero_is_a_kink_between_its_two_slopes_and_no_error():
    f = lambda p: jnp.sum(jax.nn.relu(p) * jnp.asarray([2.0, -3.0, 1.0]))  # noqa: E731
    found = check(f, jnp.asarray([0.0, 0.0, 0.4]))
    assert found.ok
    assert found.leaves[0].verdict == "kink"
    np.testing.assert_allclose([(row.left, row.right) for row in found.rows], [(0, 2), (0, -3)], atol=0.01)
    assert "kink at (0,): slope 0 on the left and 2 on the right; jax.grad gives 0" in str(found)


def test_kinks_that_cancel_along_a_direction_are_told_apart_by_halving():
    # Along (1, -1) the function is a straight line of slope 1, and the gradient is 0.
    found = check(
        lambda p: jax.nn.relu(p[0]) - jax.nn.relu(p[1]) + p[2], jnp.asarray([0.0, 0.0, 1.0]), entries=0, seed=1
    )
    assert found.ok
    assert {row.verdict for row in found.rows} == {"kink"}


def test_a_gradient_outside_the_two_slopes_of_a_kink_is_wrong():
    planted = with_gradient(jax.nn.relu, lambda g: g + 9.0)
    found = check(lambda p: jnp.sum(planted(p)), jnp.asarray([0.0, 1.0]))
    assert [row.verdict for row in found.rows] == ["wrong", "wrong"]


def test_in_float64_an_error_of_a_millionth_is_found():
    loss, params, batch = net(with_gradient(jnp.tanh, lambda g: g * (1 + 1e-6)))
    with jax.enable_x64(True):
        found = check(loss, params, batch)
    assert found.precision == "float64"
    assert {leaf.path: leaf.verdict for leaf in found.leaves} == {
        "w1": "wrong", "b1": "wrong", "w2": "right", "b2": "right"
    }  # fmt: skip
    assert all(leaf.sees < 1e-8 for leaf in found.leaves)


def test_what_drowns_in_rounding_is_undecided_and_not_wrong():
    found = check(lambda p: 1e-3 * jnp.sum(jnp.sin(p)) + 1e3, normal(7, 5))
    assert found.ok
    assert str(found.leaves[0]).startswith("undecided: a length wrong by less than ")
    flat = check(lambda p: jnp.sum(p**2), jnp.zeros(3))
    assert "undecided: the gradient is 0" in str(flat)


def test_close_to_where_a_function_ends_smaller_steps_are_taken():
    p = jnp.asarray([1e-3, 1.0])
    assert check(lambda p: jnp.sum(jnp.log(p)), p).leaves[0].verdict == "right"
    tenth = with_gradient(jnp.log, lambda g: 1.1 * g)
    assert [row.where for row in check(lambda p: jnp.sum(tenth(p)), p).rows] == ["(0,)", "(1,)"]


def test_a_mistake_is_named_with_what_is_needed():
    with pytest.raises(ValueError, match="check needs f to be finite at params, and it is nan"):
        check(lambda p: jnp.sum(jnp.log(p)), -jnp.ones(2))
    with pytest.raises(ValueError, match=r"check needs f to return a real floating-point scalar of shape \(\)"):
        check(lambda p: p, jnp.ones(2))
    with pytest.raises(ValueError, match="check needs real floating-point parameters, and was given int32 at 'n'"):
        check(lambda p: p["n"], {"n": jnp.arange(2)})
