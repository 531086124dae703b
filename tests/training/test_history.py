"""Histories on disk."""

import json
import os

import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.rules import Adam
from gdfunc.training import History


@pytest.fixture
def history():
    return gd.train(
        lambda p, b: (jnp.sum(p["a"] ** 2), {"count": 3, "low": p["a"].astype(jnp.bfloat16)}),
        {"a": np.ones(2, np.float32)},
        None,
        Adam(0.1),
        steps=9,
        has_aux=True,
        measure=lambda p, g, u, b: {"layer_10": g, "layer_2": u},
        every=4,
        evaluate=lambda p: {"accuracy": 0.5, "word": "good"},
    ).history


def test_a_saved_history_comes_back_the_same(history, tmp_path):
    history.save(tmp_path / "run")
    back = History.load(tmp_path / "run.npz")
    assert sorted(os.listdir(tmp_path)) == ["run.json", "run.npz"]
    for name in ("step", "loss", "grad_norm", "update_norm", "param_norm", "measured_step", "evaluated_step"):
        np.testing.assert_array_equal(getattr(back, name), getattr(history, name), strict=True)
    for name in ("aux", "measured", "evaluated"):
        mine, theirs = getattr(history, name), getattr(back, name)
        assert mine
        assert list(mine) == list(theirs)
        for key in mine:
            np.testing.assert_array_equal(theirs[key], mine[key], strict=True)
    assert history.aux["low"].dtype == np.float32  # npz has no bfloat16


def test_a_name_with_dots_is_kept_whole(history, tmp_path):
    history.save(tmp_path / "rate_0.1")
    history.save(tmp_path / "rate_0.2")
    assert len(os.listdir(tmp_path)) == 4
    assert len(History.load(tmp_path / "rate_0.1")) == 9


def test_a_save_that_fails_leaves_the_old_files_and_no_other(history, tmp_path, monkeypatch):
    history.save(tmp_path / "run")
    before = (tmp_path / "run.npz").read_bytes()

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        history.save(tmp_path / "run")
    assert sorted(os.listdir(tmp_path)) == ["run.json", "run.npz"]
    assert (tmp_path / "run.npz").read_bytes() == before


def test_files_of_two_saves_are_not_mixed(history, tmp_path):
    history.save(tmp_path / "run")
    with open(tmp_path / "run.npz", "ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match="checksums differ"):
        History.load(tmp_path / "run")


def test_another_format_is_a_clear_error(history, tmp_path):
    history.save(tmp_path / "run")
    (tmp_path / "run.json").write_text(json.dumps({"format": "other", "version": 7}))
    with pytest.raises(ValueError, match="'other' of version 7"):
        History.load(tmp_path / "run")


def test_nothing_is_pickled(tmp_path):
    with pytest.raises(ValueError, match="arrays and numbers"):
        gd.train(lambda p, b: p**2, 1.0, None, Adam(0.1), steps=2, evaluate=lambda p: object())


def test_an_evaluation_that_changes_its_names_is_a_clear_error():
    names = iter("ab")
    with pytest.raises(ValueError, match=r"evaluated to have the same names .* \['a'\] and then \['b'\]"):
        gd.train(lambda p, b: p**2, 1.0, None, Adam(0.1), steps=2, evaluate=lambda p: {next(names): 0.0})
