"""What a rule's fields take, and what they say to the rest."""

import dataclasses
import pickle
import re
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.core import Decay, Fields, Fraction, NonNegative, Positive, Rate, Scalar, pytree_dataclass
from gdfunc.rules import SGD, Adam, Lion


@pytree_dataclass
class Example(Fields):
    rate: Rate = 1.0
    decay: Decay = 0.5
    share: Fraction = 1.0
    scale: Positive = 1.0
    shift: Scalar = 0.0
    maybe: NonNegative | None = None
    where: Literal["here", "there"] = "here"
    flag: bool = False
    count: int = 3
    thing: Any = None


NUMBERS = ("rate", "decay", "share", "scale", "shift", "maybe")


@pytest.mark.parametrize(
    ("field", "bad", "message"),
    [
        ("rate", -0.1, "Example needs rate >= 0, and was given rate=-0.1"),
        ("decay", 1.0, "Example needs 0 <= decay < 1, and was given decay=1.0"),
        ("decay", -1e-9, "Example needs 0 <= decay < 1, and was given decay=-1e-09"),
        ("share", 1.5, "Example needs 0 <= share <= 1, and was given share=1.5"),
        ("scale", 0.0, "Example needs scale > 0, and was given scale=0.0"),
        ("shift", float("inf"), "Example needs shift to be finite, and was given shift=inf"),
        ("maybe", -1.0, "Example needs maybe >= 0, and was given maybe=-1.0"),
        ("where", "elsewhere", "Example needs where to be 'here' or 'there', and was given where='elsewhere'"),
        ("flag", "yes", "Example needs flag to be True or False, and was given flag='yes'"),
    ],
)
def test_a_bad_value_is_refused_with_who_what_and_which(field, bad, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Example(**{field: bad})


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("bad", [True, np.True_, "0.1", 1j, [0.1], (0.1,), {"a": 0.1}, np.array([True]), jnp.array(1j)])
def test_what_is_no_real_number_is_refused(field, bad):
    with pytest.raises(ValueError, match=f"Example needs {field} to be a real number, an array of them or a schedule"):
        Example(**{field: bad})


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("bad", [float("nan"), np.array([0.1, np.nan]), jnp.array([0.1, -jnp.inf]), np.float32("nan")])
def test_what_is_not_finite_is_refused(field, bad):
    with pytest.raises(ValueError, match=f"Example needs .*{field}.*, and was given {field}="):
        Example(**{field: bad})


@pytest.mark.parametrize("field", ["rate", "decay", "share", "scale"])
def test_one_bad_entry_of_an_array_is_enough(field):
    with pytest.raises(ValueError, match=rf"Example needs .*{field}.*\[ 0.5, -1. \]"):
        Example(**{field: jnp.array([0.5, -1.0])})


def test_none_is_for_optional_fields_only():
    assert Example(maybe=None).maybe is None
    with pytest.raises(ValueError, match="Example needs rate to be a real number"):
        Example(rate=None)


@pytest.mark.parametrize("good", [0.5, 0, np.float32(0.5), np.int64(0), np.array(0.5), jnp.array([0.1, 0.5])])
def test_numbers_of_every_make_are_taken(good):
    np.testing.assert_array_equal(Example(decay=good).decay, good)


def test_whole_numbers_are_kept_as_floats_so_that_they_can_be_differentiated():
    assert type(Example(rate=1).rate) is float
    assert float(jax.grad(lambda e: e.rate**2)(Example(rate=3)).rate) == 6
    assert Example(count=3).count == 3
    assert type(Example(count=3).count) is int


def test_numbers_are_leaves_and_conventions_are_not():
    example = Example(maybe=2.0)
    assert jax.tree.leaves(example) == [1.0, 0.5, 1.0, 1.0, 0.0, 2.0]
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(example)]
    assert names == [".rate", ".decay", ".share", ".scale", ".shift", ".maybe"]
    assert jax.tree.structure(example) != jax.tree.structure(Example(maybe=2.0, where="there"))
    assert jax.tree.map(lambda x: x, example) == example


def test_a_convention_that_cannot_be_hashed_is_refused():
    with pytest.raises(ValueError, match="needs where to be"):
        Example(where=["here"])
    with pytest.raises(ValueError, match="needs flag to be"):
        Example(flag=jnp.array(True))


def test_a_convention_given_as_an_array_is_refused_in_our_words():
    with pytest.raises(ValueError, match="Example needs flag to be True or False"):
        Example(flag=np.array([True, False]))


@pytest.mark.parametrize("bad", [[3], 2.5, "three", True])
def test_a_count_is_a_whole_number(bad):
    with pytest.raises(ValueError, match="Example needs count"):
        Example(count=bad)


@pytest.mark.parametrize("bad", [np.array(["a"]), np.array([None])])
def test_an_array_of_something_else_is_refused_in_our_words(bad):
    with pytest.raises(ValueError, match="Example needs rate to be a real number"):
        Example(rate=bad)


@pytest.mark.parametrize(("one", "other"), [(0.5, np.float32(0.5)), (0.0, -0.0), (0.5, jnp.array(0.5))])
def test_equal_rules_have_equal_hashes(one, other):
    assert Example(decay=one) == Example(decay=other)
    assert hash(Example(decay=one)) == hash(Example(decay=other))


def test_equality_and_hash_look_at_every_field():
    assert Example() == Example()
    assert hash(Example()) == hash(Example())
    for field, other in {"rate": 2.0, "maybe": 0.0, "where": "there", "flag": True, "count": 4}.items():
        assert Example(**{field: other}) != Example()
    assert Example(rate=jnp.array([1.0, 2.0])) == Example(rate=jnp.array([1.0, 2.0]))
    assert Example(rate=jnp.array([1.0, 2.0])) != Example(rate=jnp.array([1.0, 3.0]))
    assert Example() != "Example()"
    assert len({Example(), Example(), Example(rate=2.0)}) == 2


def test_the_repr_hides_conventions_at_their_default_and_shortens_arrays():
    assert repr(Adam(0.1)) == "Adam(learning_rate=0.1, b1=0.9, b2=0.999, eps=1e-08)"
    assert repr(Adam(0.1, debias="power")).endswith("eps=1e-08, debias='power')")
    assert "learning_rate=[0.1, 0.2]" in repr(SGD(jnp.array([0.1, 0.2])))
    assert "..." in repr(SGD(jnp.linspace(0, 1, 100)))
    assert "learning_rate=0.1," in repr(SGD(jnp.float32(0.1)))


def test_a_rule_may_be_traced_inside_any_transformation():
    shown = []
    jax.jit(lambda rule: shown.append(repr(rule)) or rule.learning_rate)(Adam(0.1))
    assert shown[0].startswith("Adam(learning_rate=")
    inside = jax.jit(lambda rate: Adam(0.1, b1=rate).b1)(1.5)  # out of range, which tracing cannot know
    assert float(inside) == 1.5


def test_at_reads_every_schedule_and_leaves_the_rest():
    rule = Adam(lambda step: 0.1 * (step + 1), b2=lambda step: 0.9)
    now = rule.at(2)
    assert now.learning_rate == pytest.approx(0.3)
    assert (now.b1, now.b2) == (0.9, 0.9)
    plain = Adam(0.1)
    assert plain.at(5) is plain


def test_plain_functions_travel_in_a_rule_as_structure():
    fall = lambda step: 0.1 / (1 + step)  # noqa: E731
    rule = SGD(fall)
    assert jax.tree.leaves(rule) == [0.0]  # the dampening
    assert jax.tree.map(lambda x: x, rule).learning_rate is fall
    assert SGD(fall) == SGD(fall)
    assert SGD(fall) != SGD(lambda step: 0.1 / (1 + step))


def test_in_axes_maps_over_arrays_and_over_nothing_else():
    rule = Adam(jnp.array([0.1, 0.2]), b1=0.8)
    axes = gd.in_axes(rule)
    assert (axes.learning_rate, axes.b1, axes.b2, axes.eps) == (0, None, None, None)
    rates = jax.vmap(lambda r: r.learning_rate * r.b1, in_axes=(axes,))(rule)
    np.testing.assert_allclose(rates, [0.08, 0.16], rtol=1e-6)
    inside = gd.in_axes(gd.chain(SGD(0.1), Lion(jnp.ones(3), weight_decay=jnp.ones(3))))
    assert inside.parts[1].learning_rate == inside.parts[1].weight_decay == 0
    assert inside.parts[0].learning_rate is None


def test_in_axes_of_scalars_is_refused():
    with pytest.raises(ValueError, match=r"in_axes needs at least one array .* of Adam\(.*found only scalars"):
        gd.in_axes(Adam(0.1))


def test_fields_are_frozen_and_pickle():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Example().rate = 2.0
    rule = Adam(jnp.array([0.1, 0.2]), debias="power")
    assert pickle.loads(pickle.dumps(rule)) == rule
