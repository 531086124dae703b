"""Where two rules part, the smallest change that makes them agree is found, and none where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc import parity, rules
from gdfunc.parity import Recording, compare
from gdfunc.parity._candidates import candidates, singles
from gdfunc.parity._recorded import key, recorded
from gdfunc.parity._search import by_formula, elementwise
from gdfunc.parity._slips import changed

TREE = jax.tree.map


def torch_recording(rule, twin, settings, dtype="float32"):
    """What PyTorch did on the built-in stream."""
    data = parity.stream()
    updates = recorded(key("rules", rule, twin, settings, dtype))
    assert updates is not None
    return Recording(data.gradients, data.params, updates, name=twin)


def zeros(params):
    return TREE(jnp.zeros_like, params)


def heavy_ball():
    """A user's pair: momentum that does not look ahead."""

    def update(g, b, p):
        b = TREE(lambda b, g: 0.9 * b + 0.1 * g, b, g)
        return TREE(jnp.negative, b), b

    return zeros, update


def raw_adam():
    """A user's pair: Adam that forgets to correct its averages."""

    def update(g, state, p):
        m = TREE(lambda m, g: 0.9 * m + 0.1 * g, state[0], g)
        v = TREE(lambda v, g: 0.999 * v + 0.001 * g**2, state[1], g)
        return TREE(lambda m, v: -0.001 * m / (jnp.sqrt(v) + 1e-8), m, v), (m, v)

    return lambda p: (zeros(p), zeros(p)), update


def rate(step):
    return 0.1 * 0.9**step


def sgd_that_counts_from_one():
    """A user's pair: its schedule is read after the count."""

    def update(g, count, p):
        count = count + 1
        return TREE(lambda g: -rate(count) * g, g), count

    return lambda p: jnp.zeros((), jnp.int32), update


def one_step_late(rule):
    def update(g, state, p):
        inner, last = state
        u, inner = rule.update(g, inner, p)
        return last, (inner, u)

    return lambda p: (rule.init(p), zeros(p)), update


FOUND = {
    "eps inside the root": (
        lambda: (rules.Adam(1e-3, eps=1e-4, debias="power"), optax.adam(1e-3, eps=0.0, eps_root=1e-4)),
        {"eps_at": "inside"},
        "eps stands inside the root: set eps_at='inside'",
    ),
    "eps inside the root, and Optax's bias correction": (
        lambda: (rules.Adam(1e-3, eps=1e-4), optax.adam(1e-3, eps=0.0, eps_root=1e-4)),
        {"eps_at": "inside", "debias": "power"},
        "eps stands inside the root and 1 - beta**t is evaluated literally: set eps_at='inside', debias='power'",
    ),
    "Optax's bias correction": (
        lambda: (rules.Adam(1e-3), optax.adam(1e-3)),
        {"debias": "power"},
        "1 - beta**t is evaluated literally: set debias='power'",
    ),
    "no bias correction": (
        lambda: (rules.Adam(1e-3), raw_adam()),
        {"debias": "none"},
        "the averages are not corrected for their start at zero",
    ),
    "coupled decay": (
        lambda: (
            rules.AdamW(1e-2, weight_decay=0.1, decay="rate", debias="power"),
            optax.chain(optax.add_decayed_weights(0.1), optax.adam(1e-2)),
        ),
        {"decay": "coupled"},
        "the weight decay is added to the gradient: set decay='coupled'",
    ),
    "decay times the rate": (
        lambda: (rules.AdamW(1e-2, weight_decay=0.1, debias="power"), optax.adamw(1e-2, weight_decay=0.1)),
        {"decay": "rate"},
        "the weight decay is multiplied by the learning rate",
    ),
    "decay in the gradient of a rule that has none": (
        lambda: (rules.RMSprop(1e-2), optax.chain(optax.add_decayed_weights(0.01), optax.rmsprop(1e-2))),
        {"l2": 0.01},
        "a weight decay of 0.01 is added to the gradient: set AddDecayedWeights(0.01) in a chain before it",
    ),
    "decay beside a rule that has none": (
        lambda: (rules.Adam(1e-2, debias="power"), optax.adamw(1e-2, weight_decay=0.1)),
        {"decoupled": 1e-3},
        "the parameter decays beside the update, by 0.1 times the learning rate a step",
    ),
    "RMSprop in PyTorch": (
        lambda: (
            rules.RMSprop(0.01),
            torch_recording(
                "rmsprop", "torch.optim.RMSprop", {"learning_rate": 0.01, "decay": 0.99, "eps_at": "outside"}
            ),
        ),
        {"decay": 0.99, "eps_at": "outside"},
        "set decay=0.99, eps_at='outside'",
    ),
    "RMSprop in Optax with PyTorch's settings": (
        lambda: (rules.RMSprop(0.01, eps=1e-4), optax.rmsprop(0.01, eps=1e-4, decay=0.99, eps_in_sqrt=False)),
        {"decay": 0.99, "eps_at": "outside"},
        "set decay=0.99, eps_at='outside'",
    ),
    "two conventions, and not a number that happens to do the same": (
        lambda: (rules.NAdam(1e-3, debias="power"), optax.nadam(1e-3)),
        {"momentum": "constant", "b2_factor": False},
        "set momentum='constant', b2_factor=False",
    ),
    "no look-ahead": (
        lambda: (rules.SGD(0.1, momentum=0.9, nesterov=True), heavy_ball()),
        {"nesterov": False},
        "the momentum does not look ahead: set nesterov=False",
    ),
    "look-ahead, the witness first": (
        lambda: (optax.sgd(0.1, momentum=0.9, nesterov=True), rules.SGD(0.1, momentum=0.9)),
        {"nesterov": True},
        "the momentum looks ahead: set nesterov=True",
    ),
    "momentum where there is none": (
        lambda: (rules.SGD(0.1), optax.sgd(0.1, momentum=0.95)),
        {"momentum": 0.95},
        "set momentum=0.95",
    ),
    "a schedule read late by one": (
        lambda: (rules.SGD(rate), sgd_that_counts_from_one()),
        None,
        "learning_rate is read one step early",
    ),
    "an update that comes late": (
        lambda: (rules.Adam(1e-2), one_step_late(rules.Adam(1e-2))),
        {"late": 1},
        "its update comes one step late",
    ),
    "the wrong sign": (lambda: (rules.SGD(0.1), optax.scale(0.1)), {"factor": -1.0}, "its sign is turned"),
    "another rate": (
        lambda: (rules.Adam(1e-3, debias="power"), optax.adam(7e-3)),
        {"learning_rate": 7e-3},
        "set learning_rate=0.007",
    ),
    "Optax's default initial accumulator": (
        lambda: (rules.Adagrad(0.1), optax.adagrad(0.1)),
        None,
        "initial",
    ),
    "two numbers of one rule, both ours": (
        lambda: (rules.Adam(1e-3), rules.Adam(1e-3, b1=0.87, eps=3e-5)),
        {"b1": 0.87, "eps": 3e-5},
        "set b1=0.87, eps=3e-05",
    ),
    "a chain of ours": (
        lambda: (
            gd.chain(gd.clipping.ClipByGlobalNorm(1.0), rules.Adam(1e-3, debias="power")),
            optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3, b2=0.95)),
        ),
        {"b2": 0.95},
        "set b2=0.95",
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_the_cause_is_found(case):
    make, changes, words = FOUND[case]
    first, second = make()
    seen = compare(first, second)
    assert not seen.agrees
    assert seen.step in (1, 2)
    assert seen.leaf in ("matrix", "scalar", "vector")
    cause = seen.cause
    assert cause is not None
    assert cause.explained
    assert changes is None or cause.changes == changes
    assert words in cause.sentence
    assert cause.error <= parity.TOLERANCE
    assert cause.sentence in str(seen)
    # The rule that the cause names does agree, when it is compared anew.
    other = second if isinstance(first, gd.core.Rule) else first
    again = compare(cause.rule, other, explain=False)
    assert again.agrees
    assert again.error <= 2 * cause.error + 2


def test_of_two_frameworks_the_convention_that_tells_them_apart_is_found():
    theirs = torch_recording("amsgrad", "torch.optim.Adam", {"learning_rate": 1e-3, "correction": "after_max"})
    seen = compare(theirs, optax.amsgrad(1e-3))
    assert (seen.step, seen.leaf, seen.first) == (1, "matrix", "torch.optim.Adam")
    cause = seen.cause
    assert cause is not None
    assert cause.changes == {"correction": "before_max", "debias": "power"}
    assert "the first is AMSGrad(" in cause.sentence
    assert "correction='after_max'), to" in cause.sentence
    assert "the bias is corrected before the maximum is taken" in cause.sentence


def test_a_cause_is_found_in_float64():
    seen = compare(rules.Adam(1e-3, debias="power"), optax.adam(1e-3, eps=1e-6), precision="float64")
    assert seen.cause is not None
    assert seen.cause.changes == {"eps": 1e-6}


def test_a_difference_that_shows_late_is_explained():
    after = lambda high: lambda s: jnp.where(s < 60, 0.1, high)  # noqa: E731
    seen = compare(rules.SGD(after(0.2), momentum=0.9), optax.sgd(after(0.1), momentum=0.9), steps=80)
    assert seen.step == 61
    assert seen.cause is not None  # the rate as it was at first; of past gradients Optax multiplies it too
    assert seen.cause.changes == {"learning_rate": 0.1}


def test_a_rule_of_a_user_is_explained():
    @gd.rule
    class Damped(gd.ArrayRule):
        learning_rate: gd.core.Rate
        squared: bool = False

        def step(self, g, memory, p, t):
            return -self.learning_rate * g / (1 + (g**2 if self.squared else jnp.abs(g))), memory

    seen = compare(Damped(0.1), parity_pair(lambda g: -0.1 * g / (1 + g * g)))
    assert seen.cause is not None
    assert seen.cause.changes == {"squared": True}


def parity_pair(f):
    return lambda p: (), lambda g, state, p: (TREE(f, g), state)


def test_another_rule_is_explained_by_no_setting_and_recognised():
    seen = compare(rules.Adam(1e-3, b2=0.99), optax.lion(1e-3, weight_decay=0.0))
    assert seen.step == 1
    cause = seen.cause
    assert cause is not None
    assert not cause.explained
    assert cause.changes == {}
    assert cause.error > 1e4
    assert "no setting of Adam explains it" in cause.sentence
    assert "it is Lion, to" in cause.sentence


def test_optax_rprop_is_one_step_late_and_more():
    seen = compare(rules.Rprop(0.01, on_sign_change="hold"), optax.rprop(0.01))
    assert seen.late == 1
    assert seen.cause is not None
    assert "no setting of Rprop explains it" in seen.cause.sentence
    assert "; the nearest other rule is " in seen.cause.sentence


def test_what_comes_to_no_finite_number_has_no_cause():
    seen = compare(rules.SGD(0.1), parity_pair(lambda g: g * jnp.inf))
    assert seen.cause is None
    assert "The second is not finite from step 1" in str(seen)


def test_no_cause_is_looked_for_where_two_agree_or_none_is_asked_for():
    assert compare(rules.SGD(0.1), optax.sgd(0.1)).cause is None
    assert compare(rules.SGD(0.1), optax.sgd(0.2), explain=False).cause is None


@pytest.mark.parametrize("name", rules.records())
def test_every_candidate_is_a_rule_unlike_the_first_and_few_formulas_are_compiled(name):
    record = rules.record(name)
    base = record.make(**record.settings[-1])
    values = singles(base)
    tried = list(candidates(base, values, 1))
    assert {"l2", "decoupled", "late"} <= set(values)
    assert all(len(each.changes) == 1 for each in tried)
    assert all(changed(base, each.changes) != base for each in tried)
    assert len(by_formula(tried)) <= 10


def test_rules_that_treat_every_entry_alike_are_known():
    one = {name: elementwise(rules.record(name).make(**rules.record(name).settings[0])) for name in
           ("adam", "sgd", "rmsprop", "lion", "rprop", "lamb", "muon", "adafactor", "sm3", "prodigy")}  # fmt: skip
    assert [name for name, alike in one.items() if alike] == ["adam", "sgd", "rmsprop", "lion", "rprop"]
    assert elementwise(gd.chain(rules.AddDecayedWeights(0.1), rules.Adam(0.1)))
    assert not elementwise(gd.chain(gd.clipping.ClipByGlobalNorm(1.0), rules.Adam(0.1)))


def test_each_entry_alone_gives_what_the_whole_tree_gives():
    tree = compare(gd.chain(gd.clipping.ClipByGlobalNorm(1e9), rules.Adam(1e-3)), optax.adam(1e-3, b1=0.8)).cause
    vector = compare(rules.Adam(1e-3), optax.adam(1e-3, b1=0.8)).cause
    assert tree is not None
    assert vector is not None
    assert tree.changes == vector.changes == {"b1": 0.8, "debias": "power"}
    np.testing.assert_allclose(tree.error, vector.error, atol=2)
