"""`gdfunc compare`: a sentence on stdout, and the exit code says whether two rules agree."""

import json

import numpy as np
import pytest

from gdfunc import parity
from gdfunc.cli import main

ADAM = ("adam", "learning_rate=1e-3", "debias=power")


def run(capsys, *argv):
    """Exit code, stdout, stderr."""
    code = main(["compare", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_two_that_agree_exit_0(capsys):
    code, out, err = run(capsys, *ADAM, "optax.adam", "learning_rate=1e-3")
    assert (code, err) == (0, "")
    assert out.startswith("adam learning_rate=1e-3 debias=power and optax.adam learning_rate=1e-3 agree to ")


def test_two_that_part_exit_1_with_step_leaf_and_cause(capsys):
    code, out, _ = run(capsys, *ADAM, "optax.adam", "learning_rate=1e-3", "b2=0.99")
    assert code == 1
    assert "part at step 1, leaf 'matrix', index (0, 0)" in out
    assert "Cause: Adam agrees to" in out
    assert "set b2=0.99" in out


def test_json_holds_the_comparison_and_its_cause(capsys):
    code, out, _ = run(capsys, "sgd", "learning_rate=0.1", "optax.sgd", "learning_rate=0.2", "--json")
    answer = json.loads(out)
    assert code == 1
    assert (answer["schema"], answer["agrees"], answer["step"]) == (1, False, 1)
    assert answer["cause"]["changes"] == {"learning_rate": 0.2}


def test_a_quick_comparison_looks_for_no_cause(capsys):
    code, out, _ = run(capsys, "sgd", "learning_rate=0.1", "optax.sgd", "learning_rate=0.2", "--quick", "--json")
    assert code == 1
    assert json.loads(out)["cause"] is None


def test_options_reach_the_comparison(capsys):
    words = ("sgd", "learning_rate=0.1", "optax.sgd", "learning_rate=0.10001", "--quick", "--json")
    code, out, _ = run(capsys, *words, "--precision", "float64", "--tolerance", "1e13")
    assert code == 0
    assert json.loads(out)["mode"] == "float64"
    one, two = (run(capsys, *words, "--seed", seed, "--steps", "3")[1] for seed in ("1", "2"))
    assert json.loads(one)["values"] != json.loads(two)["values"]


def test_a_recording_and_a_users_own_module_are_compared(capsys, tmp_path, monkeypatch):
    data = parity.stream(steps=5)
    updates = {leaf: -0.1 * g.astype(np.float32) for leaf, g in data.gradients.items()}
    parity.Recording(data.gradients, updates=updates).save(tmp_path / "theirs.npz")
    (tmp_path / "my_rules.py").write_text(
        "def plain(rate):\n    return (lambda p: (), lambda g, s, p: ({k: -rate * x for k, x in g.items()}, s))\n"
    )
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "theirs.npz", "sgd", "learning_rate=0.1")[0] == 0
    assert run(capsys, "my_rules.plain", "rate=0.1", "theirs.npz")[0] == 0
    assert run(capsys, "my_rules.plain", "rate=0.2", "theirs.npz", "--quick")[0] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("adam", "learning_rate=0.1"), "needs two names"),
        (("learning_rate=0.1", "adam"), "a name before its settings"),
        (("adam", "optax.adam", "sgd"), "needs two names"),
        (("adam", "optax.adam", "learning_rate=0.1"), "Adam needs learning_rate"),
        (("adan", "optax.adam"), "needs learning_rate"),
        (("adm", "optax.adam", "learning_rate=0.1"), "Did you mean"),
        (("sgd", "learning_rate=0.1", "optax.sgdd"), "optax knows no 'sgdd'"),
        (("sgd", "learning_rate=0.1", "optax.sgd", "rate=1.0"), "optax.sgd needs other settings"),
        (("sgd", "learning_rate=0.1", "no_such_module.sgd"), "finds no module 'no_such_module'"),
        (("sgd", "learning_rate=0.1", "torch.optim.SGD", "lr=0.1"), "a recording of torch.optim.SGD"),
        (("sgd", "learning_rate=0.1", "no_such_file.npz"), "no_such_file.npz"),
        (("a.npz", "rate=1.0", "b.npz"), "no settings for a recording"),
    ],
)
def test_bad_words_are_one_line_on_stderr_and_exit_code_2(capsys, words, message):
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
