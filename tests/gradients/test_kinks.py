"""Kinks along a line: against where a relu network's units switch, in closed form."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc.gradients import kinks


@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
def test_each_unit_that_switches_on_the_way_is_a_kink_with_its_jump(double):
    rng = np.random.default_rng(0)
    w, b, c = (rng.normal(size=s).astype(np.float32) for s in ((12, 3), 12, 12))
    c += np.sign(c)  # no jump too small to count
    d = 4 * rng.normal(size=3).astype(np.float32)
    a = -d / 2
    # Unit k is at w (a + t d) + b: it is 0 at one t, where the slope jumps by c |w d|.
    switch = -(w @ a + b) / (w @ d).astype(float)
    inside = np.sort(switch[(switch > 0) & (switch < 1)])
    jumps = (c * np.abs(w @ d))[np.argsort(switch)][np.isin(np.sort(switch), inside)]
    with jax.enable_x64(double):
        found = kinks(lambda x: jnp.asarray(c) @ jax.nn.relu(jnp.asarray(w) @ x + b), a, a + d)
    eps = np.finfo(np.float32).eps  # the closed form is from float32 numbers
    assert len(inside) >= 3
    np.testing.assert_allclose(found.at, inside, atol=32 * eps)
    np.testing.assert_allclose(found.right - found.left, jumps, atol=64 * eps * np.abs(found.left).max())


def test_a_kink_at_a_round_number_is_found_once_and_a_smooth_function_has_none():
    # At the tie the slope is 0, neither side's.
    found = kinks(lambda x, shift: jnp.maximum(x - shift, shift - x), 0.0, 1.0, 0.5)
    np.testing.assert_allclose(found.at, [0.5], atol=1e-6)
    np.testing.assert_allclose([found.left, found.right], [[-1], [1]])
    smooth = kinks(lambda p: jnp.sum(jnp.sin(20 * p["w"])), {"w": normal(0, 4)}, {"w": normal(1, 4)}, pieces=16)
    assert smooth.at.shape == (0,)


def test_a_mistake_is_named_with_what_is_needed():
    with pytest.raises(ValueError, match=re.escape("kinks needs a and b of one shape, and at '(the tree itself)'")):
        kinks(jnp.sum, jnp.ones(3), jnp.ones(2))
    with pytest.raises(ValueError, match="kinks needs pieces >= 1, and was given pieces=0"):
        kinks(jnp.sum, jnp.ones(3), jnp.ones(3), pieces=0)
    with pytest.raises(ValueError, match="kinks needs f to return a real floating-point scalar"):
        kinks(lambda x: x, jnp.ones(3), jnp.ones(3))
