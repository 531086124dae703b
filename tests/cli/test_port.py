"""`gdfunc port`: what it prints, and its exit codes."""

import json

import pytest

from gdfunc.cli import main


def run(capsys, *argv):
    code = main(["port", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_line_is_printed_with_gdfuncs_own_and_the_note(capsys):
    code, out, err = run(capsys, "torch.optim.RMSprop(lr=1e-3, alpha=0.99, momentum=0.9)", "--to", "optax")
    line, ours, note = out.strip().split("\n\n")
    assert code == 0
    assert line.startswith("optax.rmsprop(learning_rate=0.001, decay=0.99, ")
    assert ours.startswith('gd.rules.RMSprop(learning_rate=0.001, decay=0.99, momentum=0.9, eps_at="outside"')
    assert "alpha" in note
    assert err == ""


def test_json_holds_the_same(capsys):
    code, out, _ = run(capsys, "keras.optimizers.SGD(0.1, momentum=0.9)", "--to", "torch", "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["code"] == "torch.optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.0, nesterov=False)"
    assert answer["gdfunc"] == "gd.rules.SGD(learning_rate=0.1, momentum=0.9)"
    assert set(answer) == {"schema", "text", "to", "code", "gdfunc", "note"}


@pytest.mark.parametrize("text", ["torch.optim.LBFGS(params)", "keras.optimizers.Adam(1e-3)"])
def test_without_equivalent_it_exits_1_with_the_reason(capsys, text):
    code, out, _ = run(capsys, text)
    assert code == 1
    assert "has no equivalent" in out
    code, out, _ = run(capsys, text, "--json")
    assert code == 1
    assert json.loads(out)["code"] is None


def test_bad_input_exits_2_and_points_at_it(capsys):
    code, out, err = run(capsys, "optax.adam(x)")
    assert code == 2
    assert out == ""
    assert err.endswith("  optax.adam(x)\n             ^\n")


def test_our_own_line_is_printed_once(capsys):
    _, out, _ = run(capsys, "optax.sgd(0.1)", "--to", "gdfunc")
    assert out.count("gd.rules.SGD(learning_rate=0.1)") == 1
