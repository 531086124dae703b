"""`gdfunc diagnose`: findings on stdout, of a user's own network or of one of ours; --fail-on makes them the exit code."""

import json

import pytest

from gdfunc.cli import main
from gdfunc.diagnosis import KINDS

SMALL = ("--model", "mlp", "width=12", "--batch-size", "64")
DEEP_SIGMOID = ("--model", "mlp", "width=12", "depth=9", "activation=sigmoid", "--batch-size", "64")

OWN = """
import jax.numpy as jnp

def loss(params, batch):
    return jnp.mean((jnp.tanh(batch @ params["a"]) @ params["b"]) ** 2)

def make():
    return loss, {"a": jnp.full((3, 4), 0.1), "b": jnp.full((4, 2), 0.1)}, jnp.ones((5, 3)) * jnp.arange(1.0, 6.0)[:, None]

def two():
    return loss, {}

def one():
    return 3

def broken():
    raise KeyError("no weights")

number = 3
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    (tmp_path / "own_network.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)

    def run(*argv):
        """Exit code, stdout, stderr."""
        code = main(["diagnose", *argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_of_a_healthy_network_nothing_is_found_and_its_layers_are_shown(run):
    code, out, err = run(*SMALL)
    assert (code, err) == (0, "")
    assert "nothing found" in out
    assert all(name in out for name in ("first/weight", "hidden/weight", "last/weight"))


def test_a_fault_is_named_with_its_evidence_threshold_and_remedies_and_is_no_failure_unless_asked(run):
    code, out, _ = run(*DEEP_SIGMOID)
    assert code == 0
    assert "vanishing" in out
    assert "times a layer" in out
    assert "threshold -0.25 decades a layer" in out
    assert "residual branches" in out


@pytest.mark.parametrize(
    ("fail_on", "code"), [("vanishing", 1), ("any", 1), ("dead_units, vanishing", 1), ("exploding", 0), ("", 0)]
)
def test_fail_on_makes_the_named_kinds_the_exit_code(run, fail_on, code):
    assert run(*DEEP_SIGMOID, "--fail-on", fail_on)[0] == code


def test_fail_on_any_lets_a_healthy_network_pass(run):
    assert run(*SMALL, "--fail-on", "any")[0] == 0


def test_json_has_findings_layers_and_what_is_unseen_and_nothing_else(run):
    code, out, _ = run(*DEEP_SIGMOID, "--json")
    answer = json.loads(out)
    assert code == 0
    assert {"findings", "layers", "unseen"} <= set(answer)
    finding = answer["findings"][0]
    assert set(finding) == {"kind", "layer", "evidence", "threshold", "source", "remedies"}
    assert finding["kind"] in KINDS
    assert set(finding["evidence"]) == {"statement", "value", "unit"}
    assert set(finding["remedies"][0]) == {"name", "before", "after", "tried", "helps"}
    assert len(answer["layers"]) == 9
    assert {"name", "activation", "gradient_norm", "dead", "rank"} <= set(answer["layers"][0])


def test_a_users_own_network_is_diagnosed(run):
    code, out, _ = run("own_network:make", "--json", "--fail-on", "symmetric_init")
    answer = json.loads(out)
    assert code == 1
    assert (answer["findings"][0]["kind"], answer["findings"][0]["layer"]) == ("symmetric_init", "a")


def test_a_rule_is_judged_and_another_rate_offered(run):
    rule = ("--rule", "sgd", "learning_rate=50.0")
    code, out, _ = run(*SMALL, *rule, "--json", "--fail-on", "rate_too_high")
    finding = json.loads(out)["findings"][0]  # its number is infinite or NaN at worst, for which JSON has none
    assert code == 1
    assert finding["kind"] == "rate_too_high"
    assert finding["remedies"][0]["name"].startswith("learning_rate=")


def test_the_flags_of_train_reach_the_network(run):
    assert "symmetric init" in run(*SMALL, "--init", "constant", "value=0.1")[1]
    code, out, _ = run("--data", "linear_regression", "--model", "mlp", "width=8", "depth=4", "--json")
    answer = json.loads(out)
    assert code == 0
    assert len(answer["layers"]) == 4
    one, two = (run(*SMALL, "--seed", seed, "--json")[1] for seed in ("1", "2"))
    assert json.loads(one)["layers"] != json.loads(two)["layers"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("own_network:nothing",), "nothing"),
        (("no_such_module:make",), "finds no module 'no_such_module'"),
        (("make",), "needs my_module:name"),
        (("own_network:number",), "to be a function that returns (loss_fn, params, batch)"),
        (("own_network:two",), "to return (loss_fn, params, batch)"),
        (("own_network:one",), "it returned int"),
        (("own_network:broken",), "it raised KeyError: 'no weights'"),
        (("own_network:make", "--model", "mlp", "depth=3"), "was given --model beside it"),
        (("--fail-on", "vanishin"), "vanishing"),
        (("--model", "mpl"), "mlp"),
        (("--data", "digit"), "digits"),
        (("--rule", "sgdd"), "sgd"),
        (("--batch-size", "-1"), "--batch-size needs to be 0 (all rows) or more"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_needed(run, argv, words):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert words in err
