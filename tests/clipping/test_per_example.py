"""Clipping each example's gradient by itself."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc.clipping import clip_by_global_norm, clip_per_example, per_example_grad

KEY = jax.random.key(0)
SCALES = jnp.asarray([0.0, 0.01, 1.0, 5.0])
GRADS = {
    "b": SCALES[:, None] * normal(0, 4, 3),
    "w": SCALES[:, None, None] * normal(1, 4, 2, 3),
}


def loss(params, x, y):
    return jnp.sum((x @ params["w"] + params["b"] - y) ** 2)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_it_is_a_loop_of_global_clippings(reduce):
    clipped, norms = jax.jit(clip_per_example, static_argnames="reduce")(GRADS, 0.7, reduce=reduce)
    each = [clip_by_global_norm(jax.tree.map(lambda g, i=i: g[i], GRADS), 0.7) for i in range(4)]
    np.testing.assert_allclose(norms, [norm for _, norm in each], rtol=1e-6)
    assert norms[0] == 0
    for name in GRADS:
        total = np.sum([g[name] for g, _ in each], axis=0) / (4 if reduce == "mean" else 1)
        np.testing.assert_allclose(clipped[name], total, rtol=0, atol=4 * np.finfo(np.float32).eps)


def test_the_norms_give_optaxs_count_of_clipped_examples():
    _, norms = clip_per_example(GRADS, 0.7)
    _, count = optax.per_example_global_norm_clip(GRADS, 0.7)
    assert int(jnp.sum(norms > 0.7)) == int(count) > 0


def test_no_example_moves_the_mean_by_more_than_the_limit_over_the_number():
    huge = jax.tree.map(lambda g: g.at[3].multiply(1e6), GRADS)
    moved = jax.tree.map(jnp.subtract, clip_per_example(huge, 0.7)[0], clip_per_example(GRADS, 0.7)[0])
    assert gd.core.tree_norm(moved) <= 1e-6  # the same direction, clipped to the same length
    none = jax.tree.map(lambda g: g.at[3].set(0.0), GRADS)
    moved = jax.tree.map(jnp.subtract, clip_per_example(none, 0.7)[0], clip_per_example(GRADS, 0.7)[0])
    np.testing.assert_allclose(gd.core.tree_norm(moved), 0.7 / 4, rtol=1e-5)


def test_with_a_large_limit_the_gradient_is_that_of_the_mean_loss():
    params = {"b": jnp.zeros(3), "w": normal(0, 2, 3)}
    x, y = normal(0, 8, 2), normal(1, 8, 3)
    clipped, norms = jax.jit(per_example_grad(loss, 1e6))(params, x, y)
    mean = jax.grad(lambda p: jnp.mean(jax.vmap(loss, in_axes=(None, 0, 0))(p, x, y)))(params)
    assert norms.shape == (8,)
    for name in mean:
        np.testing.assert_allclose(clipped[name], mean[name], rtol=0, atol=1e-6 * np.max(np.abs(mean[name])))


def test_the_gradient_of_a_loss_is_clipped_example_by_example():
    params = {"b": jnp.zeros(3), "w": normal(0, 2, 3)}
    x, y = normal(0, 8, 2), normal(1, 8, 3)
    clipped, norms = per_example_grad(loss, 1.0, reduce="sum")(params, x, y)
    by_hand, _ = clip_per_example(jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))(params, x, y), 1.0, reduce="sum")
    assert jnp.sum(norms > 1) > 2
    for name in by_hand:
        np.testing.assert_array_equal(clipped[name], by_hand[name])


@pytest.mark.parametrize("max_norm", [0.0, 1.0])
def test_derivatives_are_finite_where_an_example_has_no_gradient(max_norm):
    def total(max_norm, grads):
        return sum(jnp.sum(g**2) for g in jax.tree.leaves(clip_per_example(grads, max_norm)[0]))

    for leaf in jax.tree.leaves(jax.grad(total, argnums=(0, 1))(max_norm, GRADS)):
        assert jnp.all(jnp.isfinite(leaf))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_combined_gradient_keeps_the_dtype(dtype):
    clipped, norms = clip_per_example(jax.tree.map(lambda g: g.astype(dtype), GRADS), 0.7)
    assert {g.dtype for g in jax.tree.leaves(clipped)} == {jnp.dtype(dtype)}
    assert norms.dtype == jnp.float32
    exact, _ = clip_per_example(GRADS, 0.7)
    for name in exact:
        np.testing.assert_allclose(clipped[name].astype(jnp.float32), exact[name], atol=2 * jnp.finfo(dtype).eps)


def test_a_nan_in_one_example_is_seen():
    clipped, norms = clip_per_example(jax.tree.map(lambda g: g.at[1].set(jnp.nan), GRADS), 0.7)
    np.testing.assert_array_equal(jnp.isnan(norms), [False, True, False, False])
    assert jnp.all(jnp.isnan(clipped["b"]))


WRONG = [
    (lambda: clip_per_example(GRADS, -1.0), "needs max_norm >= 0, and was given max_norm=-1.0"),
    (lambda: clip_per_example(GRADS, 1.0, reduce="max"), "clip_per_example needs reduce to be 'mean' or 'sum'"),
    (lambda: clip_per_example({}, 1.0), "clip_per_example needs at least one array"),
    (lambda: clip_per_example({"n": jnp.arange(3)}, 1.0), "clip_per_example needs real floating-point"),
    (
        lambda: clip_per_example({"a": jnp.ones((4, 2)), "b": jnp.ones((2, 4))}, 1.0),
        "needs one leading axis of examples on every leaf, and was given shape (2, 4) at 'b' beside (4, 2) at 'a'",
    ),
    (lambda: clip_per_example({"a": jnp.ones(())}, 1.0), "was given shape () at 'a'"),
    (lambda: clip_per_example({"a": jnp.ones((0, 2))}, 1.0), "was given shape (0, 2) at 'a'"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
