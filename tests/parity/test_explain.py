"""A trace shows what the formula names, step by step."""

import ast
import inspect
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc import parity, rules
from gdfunc.core import call_update
from gdfunc.parity._stream import extras

RECORDS = rules.records()
GRADIENTS = (1.0, -2.0, -0.5)


def test_adam_by_hand():
    first, second = parity.trace(rules.Adam(0.1, eps=0.5), [1.0, 3.0], params=2.0).steps
    assert (first.t, second.t) == (1, 2)
    by_hand = {
        "m": 0.9 * 0.1 * 1 + 0.1 * 3,
        "v": 0.999 * 0.001 * 1 + 0.001 * 9,
        "m_correction": 1 - 0.9**2,
        "v_correction": 1 - 0.999**2,
        "m_hat": 0.39 / 0.19,
        "v_hat": 0.009999 / 0.001999,
        "denominator": np.sqrt(0.009999 / 0.001999) + 0.5,
        "update": -0.1 * (0.39 / 0.19) / (np.sqrt(0.009999 / 0.001999) + 0.5),
    }
    assert list(first.quantities) == list(second.quantities) == list(by_hand)
    for name, value in by_hand.items():
        np.testing.assert_allclose(second.quantities[name], value, rtol=1e-6, err_msg=name)
    assert second.gradient == 3


def test_the_twin_stands_beside_it_with_its_own_names():
    trace = parity.trace(rules.Adam(0.1, debias="power"), GRADIENTS)
    assert trace.twin_name == "optax.adam"
    assert trace.twin_fields == {"m": "mu", "v": "nu"}
    for step in trace.steps:
        assert list(step.twin) == ["m", "v", "update"]
        for name, value in step.twin.items():
            np.testing.assert_allclose(value, step.quantities[name], rtol=1e-6)


def test_without_a_twin_the_reason_is_given():
    trace = parity.trace(rules.Adam(0.1, eps_at="before_debias"), GRADIENTS)
    assert trace.twin_name == ""
    assert trace.why_no_twin == "optax.adam adds its eps after the correction"
    assert trace.steps[0].twin == {}


def test_a_rule_without_a_record_is_traced_too():
    @gd.rule
    class Halved(gd.ArrayRule):
        def step(self, g, memory, p, t):
            half = g / 2
            return -half, memory

    trace = parity.trace(Halved(), [4.0])
    assert trace.why_no_twin == "no record of this rule"
    assert {name: float(x) for name, x in trace.steps[0].quantities.items()} == {"half": 2, "update": -2}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_quantities_come_in_the_order_of_the_formula_and_the_updates_are_the_rules(record):
    rule = record.make(**record.settings[0])
    source = ast.parse(textwrap.dedent(inspect.getsource(record.make.step)))
    names = [n for n in ast.walk(source) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    stored = [n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))]
    trace = parity.trace(rule, GRADIENTS, params=0.5)
    p = jnp.asarray(0.5)
    state = rule.init(p)
    for i, (g, step) in enumerate(zip(map(jnp.asarray, GRADIENTS), trace.steps, strict=True)):
        beyond = extras(jnp.ones(()), g, p, jnp.ones(()), jax.random.fold_in(jax.random.key(0), i))
        u, state = call_update(rule, g, state, p, beyond)
        p = p + u
        *names, last = step.quantities
        assert last == "update"
        assert step.quantities["update"] == u
        own = [name for name in names if name in stored]
        assert own == [name for name in dict.fromkeys(stored) if name in own]
        assert all(np.all(np.isfinite(x)) for x in step.quantities.values())


def test_arrays_keep_their_shape():
    trace = parity.trace(rules.RMSprop(0.1), np.ones((2, 3)))
    assert len(trace.steps) == 2
    assert {x.shape for x in trace.steps[0].quantities.values() if x.ndim} == {(3,)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((gd.chain(rules.SGD(0.1)), [1.0]), "one formula"),
        ((rules.SGD(0.1), []), "one shape"),
        ((rules.SGD(0.1), 1.0), "one number or array a step"),
        ((rules.SGD(0.1), [1.0, [1.0, 2.0]]), "one shape"),
        ((rules.SGD(0.1), [1.0], [1.0, 2.0]), "shaped as a gradient"),
    ],
)
def test_bad_input_is_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        parity.trace(*arguments)
