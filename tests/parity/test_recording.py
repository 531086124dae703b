"""What another framework did is read from arrays, and compared as a rule is."""

import numpy as np
import optax
import pytest

from gdfunc import parity, rules
from gdfunc.parity import Recording, compare
from gdfunc.parity._modes import mode

DATA = parity.stream(steps=12)
FLOAT32 = mode("float32")


def updates_of(rule, at=FLOAT32):
    return parity.run(rule, DATA, at)


def recording(rule, **changes):
    fields = {"gradients": DATA.gradients, "params": DATA.params, "updates": updates_of(rule)}
    return Recording(**{**fields, **changes})


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_recording_stands_for_what_was_recorded_on_its_own_gradients_and_in_its_own_precision(precision):
    made = recording(rules.AdamW(0.1), updates=updates_of(rules.AdamW(0.1), mode(precision)), name="theirs")
    for pair in ((made, rules.AdamW(0.1)), (rules.AdamW(0.1), made)):
        seen = compare(*pair)
        assert seen.agrees
        assert seen.mode == precision
        assert "theirs" in (seen.first, seen.second)
    seen = compare(made, rules.AdamW(0.1, weight_decay=0.5), explain=False)
    assert (seen.step, seen.leaf) == (1, "matrix")
    assert compare(made, optax.adamw(0.1, weight_decay=1.25e-3), tolerance=100).agrees


def test_parameters_are_differenced_and_the_error_counted_in_their_rounding():
    rule = rules.Adam(1e-3)
    updates = updates_of(rule)
    for start in (0.0, 100.0):
        p = {leaf: [np.full(u.shape[1:], start, np.float32)] for leaf, u in updates.items()}
        for leaf, u in updates.items():
            for row in u:
                p[leaf].append(p[leaf][-1] + row)
        made = Recording(DATA.gradients, {leaf: np.stack(rows) for leaf, rows in p.items()})
        seen = compare(made, rule)
        assert seen.agrees
        assert made.rounding["vector"] >= start
        worse = compare(made, rules.Adam(1e-2), explain=False)
        assert not worse.agrees


def test_gradients_alone_mean_parameters_of_zero():
    made = recording(rules.SGD(0.1), params=None)
    assert all(np.all(p == 0) for p in made.params.values())
    assert compare(made, rules.SGD(0.1)).agrees


def test_two_recordings_of_the_same_gradients_are_compared_and_explained():
    one, two = recording(rules.SGD(0.1, momentum=0.9)), recording(rules.SGD(0.1, momentum=0.9, nesterov=True))
    assert compare(one, one).agrees
    assert not compare(one, two, explain=False).agrees


def test_two_recordings_of_different_gradients_are_refused_at_the_step_where_they_differ():
    other = {leaf: np.array(g) for leaf, g in DATA.gradients.items()}
    other["vector"][4, 2] += 1e-3
    with pytest.raises(ValueError, match="theirs differ at step 5, leaf 'vector'"):
        compare(recording(rules.SGD(0.1)), recording(rules.SGD(0.1), gradients=other))
    fewer = parity.stream(steps=11)
    with pytest.raises(ValueError, match="same gradients, and was given"):
        compare(
            recording(rules.SGD(0.1)), Recording(fewer.gradients, updates=parity.run(rules.SGD(0.1), fewer, FLOAT32))
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_trajectory_that_ends_non_finite_agrees_with_nothing_and_says_from_where(bad):
    updates = {leaf: np.array(u) for leaf, u in updates_of(rules.SGD(0.1)).items()}
    updates["vector"][6:, 3] = bad
    made = recording(rules.SGD(0.1), updates=updates)
    for pair in ((made, rules.SGD(0.1)), (made, made)):
        seen = compare(*pair)
        assert not seen.agrees
        assert seen.error == np.inf
        assert (seen.step, seen.leaf, seen.index) == (7, "vector", (3,))
        assert f"The first is not finite from step 7, leaf 'vector', index (3,): {bad}" in str(seen)
        assert seen.cause is None


def test_a_cause_is_found_before_a_trajectory_ends_non_finite():
    updates = {leaf: np.array(u) for leaf, u in updates_of(rules.SGD(0.1)).items()}
    updates["vector"][6:] = np.nan
    seen = compare(rules.SGD(0.2), recording(rules.SGD(0.1), updates=updates))
    assert seen.step == 1
    assert "is not finite from step 7" in str(seen)
    assert seen.cause is not None
    assert seen.cause.changes == {"learning_rate": 0.1}


def test_gradients_that_end_non_finite_are_named():
    gradients = {leaf: np.array(g) for leaf, g in DATA.gradients.items()}
    gradients["scalar"][8:] = np.nan
    seen = compare(recording(rules.SGD(0.1), gradients=gradients), rules.SGD(0.1))
    assert not seen.agrees
    assert "The recorded gradients are not finite from step 9, leaf 'scalar'" in str(seen)


@pytest.mark.parametrize("differenced", [False, True])
def test_a_saved_recording_loads_as_it_was(tmp_path, differenced):
    if differenced:
        p = {leaf: np.concatenate([x, x[-1:] + 1]).astype(np.float32) for leaf, x in DATA.params.items()}
        made = Recording(DATA.gradients, p, name="torch.optim.SGD")
    else:
        made = recording(rules.SGD(0.1), name="torch.optim.SGD")
    path = made.save(tmp_path / "run.npz")
    read = Recording.load(path)
    assert read.name == "torch.optim.SGD"
    assert read.rounding == made.rounding
    for kind in ("gradients", "params", "updates"):
        for leaf, x in getattr(made, kind).items():
            np.testing.assert_array_equal(getattr(read, kind)[leaf], x, strict=True)
    assert repr(read) == repr(made)
    assert "12 steps of matrix[4, 3], scalar[], vector[5], float32" in repr(made)


def test_an_archive_written_with_numpy_alone_loads(tmp_path):
    path = tmp_path / "torch_run.npz"
    g = np.ones((3, 2), np.float32)
    p = np.cumsum(np.concatenate([np.zeros((1, 2)), -0.5 * g]), axis=0, dtype=np.float32)
    np.savez(path, **{"gradients/layer/weight": g, "params/layer/weight": p})
    read = Recording.load(path)
    assert read.name == "torch_run"
    assert compare(read, rules.SGD(0.5)).agrees


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"needs a NumPy archive \(.npz\), and .*run.npz is none"):
        Recording.load(path)


def test_an_archive_of_other_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "run.npz", weights=np.ones(3))
    with pytest.raises(ValueError, match="found 'weights'"):
        Recording.load(tmp_path / "run.npz")
    np.save(tmp_path / "run.npy", np.ones(3))
    with pytest.raises(ValueError, match="is none"):
        Recording.load(tmp_path / "run.npy")


G = {"x": np.ones((3, 2), np.float32)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gradients": {}}, "gradients .* one number of steps"),
        ({"gradients": {"x": np.ones((0, 2))}}, "one number of steps"),
        ({"gradients": [1.0]}, "gradients as a mapping"),
        ({"gradients": {"x": np.ones(3, complex)}}, "real arrays.*'x' is complex128"),
        ({"gradients": {"x": np.float32(1.0)}}, "real arrays"),
        ({"gradients": G}, "needs updates, or params with one row more than the 3 gradients.*no rows"),
        ({"gradients": G, "params": G}, r"one row more than the 3 gradients.*\[3\] rows"),
        ({"gradients": G, "updates": {"y": G["x"]}}, r"updates of leaves \['x'\], and was given \['y'\]"),
        ({"gradients": G, "updates": {"x": np.ones((3, 1), np.float32)}}, r"'x' was given \(3, 1\) beside \(3, 2\)"),
        ({"gradients": G, "updates": G, "params": {"x": np.ones((4, 2))}}, r"params shaped as gradients"),
        ({"gradients": G, "updates": {"x": np.ones((3, 2), np.float16)}}, r"float32 or in float64.*\['float16'\]"),
    ],
)
def test_bad_arrays_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recording(**arguments)


def test_gradients_beside_a_recording_are_refused():
    with pytest.raises(ValueError, match="no gradients beside a recording"):
        compare(recording(rules.SGD(0.1)), rules.SGD(0.1), gradients=G)
