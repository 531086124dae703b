"""The assertions that users put into their own suites hold of good rules and fail of bad ones, saying where."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gdfunc import rules
from gdfunc.testing import assert_follows_paper, assert_rule_contract, assert_same_rule


class Pair(NamedTuple):
    init: object
    update: object


def momentum(gradients, params):
    b, updates = np.zeros_like(gradients[0]), []
    for g in gradients:
        b = 0.9 * b + g
        updates.append(-0.1 * b)
    return np.stack(updates)


def test_equal_rules_are_the_same_rule():
    assert_same_rule(rules.SGD(0.1, momentum=0.9), optax.sgd(0.1, momentum=0.9))


def test_other_rules_are_told_apart_at_their_first_step():
    with pytest.raises(AssertionError, match="part at step 2, leaf 'matrix'"):
        assert_same_rule(rules.SGD(0.1, momentum=0.9), optax.sgd(0.1, momentum=0.8))


def test_a_rule_and_a_pair_of_functions_follow_their_paper():
    assert_follows_paper(rules.SGD(0.1, momentum=0.9), momentum)
    made = optax.sgd(0.1, momentum=0.9)
    assert_follows_paper(Pair(made.init, made.update), momentum)


def test_a_rule_that_leaves_its_paper_is_told_where():
    with pytest.raises(AssertionError, match=r"and its paper part at step 2, matrix\[0, \d\]"):
        assert_follows_paper(rules.SGD(0.1, momentum=0.95), momentum)


@pytest.mark.parametrize(
    "good",
    [rules.Adam(1e-3), rules.SGD(0.1), optax.adam(1e-3, eps_root=1e-8), optax.sgd(0.1, momentum=0.9)],
    ids=lambda rule: type(rule).__name__,
)
def test_the_contract_holds_of_good_rules(good):
    assert_rule_contract(good)


def _zeros(params):
    return jax.tree.map(jnp.zeros_like, params)


BAD = {
    "the updates' shape": (
        Pair(lambda p: (), lambda g, s, p=None: (jax.tree.map(lambda x: jnp.sum(x), g), s)),
        r"updates must be typed as gradients, float32\[4, 3\] at 'matrix', and came out as float32\[\]",
    ),
    "the state's type": (
        Pair(lambda p: jnp.zeros((), jnp.int32), lambda g, s, p=None: (g, s + 1.0)),
        r"the state after an update must be typed as the first, int32\[\]",
    ),
    "a weakly typed state": (
        Pair(lambda p: jnp.asarray(1.0), lambda g, s, p=None: (g, s)),
        "the state must not be weakly typed",
    ),
    "a shared buffer": (
        Pair(lambda p: (lambda z: (z, z))(_zeros(p)), lambda g, s, p=None: (g, s)),
        r"no two arrays of the state may share a buffer, and '0/matrix' and '1/matrix' do",
    ),
    "no number at zero": (
        Pair(lambda p: (), lambda g, s, p=None: (jax.tree.map(lambda x: x / jnp.sqrt(jnp.sum(x**2)), g), s)),
        "updates.* must be finite",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_the_contract_names_what_does_not_hold(name):
    rule, message = BAD[name]
    with pytest.raises(AssertionError, match=message):
        assert_rule_contract(rule)


def test_what_is_no_rule_is_refused():
    with pytest.raises(ValueError, match="assert_rule_contract needs a rule"):
        assert_rule_contract(rules.Adam)
    with pytest.raises(ValueError, match="certify needs a rule"):
        assert_follows_paper(3, momentum)
