"""The command line: what it prints, where it prints it, and its exit codes."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from gdfunc import data
from gdfunc.cli import main
from gdfunc.cli._task import as_task
from gdfunc.rules import records
from gdfunc.training import History


def run(capsys, *argv):
    """Exit code, stdout, stderr."""
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_needs_no_jax():
    code = (
        "import sys\nfrom gdfunc.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as stop: assert stop.code == 0\n"
        "assert 'tyro' in sys.modules and 'jax' not in sys.modules and 'optax' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in ("rules", "parity", "train"))


def test_the_catalogue_names_every_rule(capsys):
    code, out, _ = run(capsys, "rules")
    assert code == 0
    assert all(name in out for name in records())


@pytest.mark.parametrize("name", records())
def test_a_rules_page_shows_its_formula_arguments_and_twins(capsys, name):
    code, out, _ = run(capsys, "rules", name, "--json")
    page = json.loads(out)
    assert code == 0
    assert page["formula"]
    assert set(page["arguments"]) == set(records()[name].make._fields)
    code, out, _ = run(capsys, "rules", name)
    assert code == 0
    assert all(argument in out for argument in page["arguments"])
    assert all(twin["name"] in out for twin in page["twins"])


@pytest.mark.parametrize("name", records())
def test_every_rule_is_explained_in_numbers(capsys, name):
    code, out, _ = run(capsys, "rules", name, "--explain", "--json")
    trace = json.loads(out)
    assert code == 0
    assert len(trace["steps"]) == 3
    assert all(np.isfinite(step["quantities"]["update"]) for step in trace["steps"])
    assert trace["twin"] or trace["why_no_twin"]


def test_an_explanation_takes_gradients_and_hyperparameters(capsys):
    code, out, _ = run(
        capsys, "rules", "adam", "--explain", "--gradients", "3", "--hyper", "learning_rate=0.5", "b1=0.0", "--json"
    )
    (step,) = json.loads(out)["steps"]
    assert code == 0
    assert step["quantities"]["m"] == 3.0
    assert step["quantities"]["update"] == pytest.approx(-0.5, rel=3e-7)


def test_parity_prints_json_on_stdout_and_progress_on_stderr(capsys):
    code, out, err = run(capsys, "parity", "signsgd", "losses.hinge", "--quick", "--json")
    certificates = json.loads(out)["certificates"]
    assert code == 0
    assert [c["name"] for c in certificates] == ["signsgd", "losses.hinge"]
    assert all(c["passes"] and c["rows"] for c in certificates)
    assert "signsgd: " in err
    assert "(1 of 2)" in err


def test_parity_exits_1_on_a_mismatch_that_no_record_expects(capsys, monkeypatch):
    import jax.numpy as jnp

    from gdfunc.rules import SignSGD

    monkeypatch.setattr(SignSGD, "step", lambda self, g, memory, p, t: (-self.learning_rate * jnp.tanh(g), memory))
    code, out, _ = run(capsys, "parity", "signsgd", "--quick")
    assert code == 1
    assert "mismatch" in out
    assert "not signsgd" in out


def test_training_saves_history_record_and_picture(capsys, tmp_path):
    folder = tmp_path / "run"
    code, out, _ = run(
        capsys, "train", "--data", "two_moons", "n_train=200", "--model", "mlp", "width=16", "depth=2", "activation=tanh",
        "--init", "xavier_uniform", "--rule", "rmsprop", "--schedule", "cosine", "peak=0.01", "steps=60",
        "--clip", "clip_by_global_norm", "max_norm=1.0", "--steps", "60", "--out", str(folder), "--json",
    )  # fmt: skip
    record = json.loads(out)
    assert code == 0
    assert record["steps"] == 60
    assert record["last_loss"] < record["first_loss"]
    assert json.loads((folder / "run.json").read_text()) == record
    history = History.load(folder / "history")
    assert len(history) == 60
    assert history.loss[-1] == pytest.approx(record["last_loss"])
    assert (folder / "training.svg").read_text().lstrip().startswith("<?xml")
    assert (folder / "training.png").read_bytes().startswith(b"\x89PNG")


def test_training_with_instruments_leaves_a_run_that_the_report_reads(capsys, tmp_path):
    argv = ["train", "--data", "two_moons", "--model", "mlp", "width=8", "--steps", "30", "--every", "5"]
    argv += ["--out", str(tmp_path / "run"), "--instruments", "economy", "dead_units=3"]
    code, out, _ = run(capsys, *argv)
    assert code == 0
    folder = tmp_path / "run"
    assert f"gdfunc report {folder} shows" in out
    assert History.load(folder / "history").layers["gradient_norm"].shape == (6, 3)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 6, 11, 16, 21, 26]
    assert [row["step"] for row in rows if "dead_units" in row] == [1, 16]
    assert run(capsys, "report", str(folder))[0] == 0
    code, _, err = run(capsys, *argv, "sharpnes", "--overwrite")
    assert code == 2
    assert "Did you mean 'sharpness'" in err
    assert (folder / "report.html").exists()  # a mistake takes nothing away
    assert run(capsys, *argv, "--overwrite")[0] == 0
    assert not (folder / "report.html").exists()
    (folder / "mine.txt").write_text("mine")
    code, _, err = run(capsys, *argv, "--overwrite")
    assert code == 2
    assert "holds mine.txt" in err
    assert (folder / "run.json").exists()


@pytest.mark.parametrize(
    "model", [("rnn", "width=8"), ("deep_linear", "width=8", "depth=2"), ("mlp", "width=8", "depth=1")]
)
def test_every_model_trains_on_a_sequence_of_numbers(capsys, tmp_path, model):
    code, out, _ = run(
        capsys, "train", "--data", "adding_problem", "n_train=64", "n_test=32", "length=5", "--model", *model,
        "--rule", "sgd", "learning_rate=0.01", "--steps", "3", "--batch-size", "8", "--out", str(tmp_path / "r"),
    )  # fmt: skip
    assert code == 0
    assert "steps: made all 3 steps" in out


MODELS = {
    "mlp": ("width=8", "depth=4", "norm=batch"),
    "deep_linear": ("width=8",),
    "residual": ("width=8", "blocks=2", "layers=3", "fixup=true"),
    "conv_net": ("width=4", "depth=3", "norm=layer"),
    "rnn": ("width=8", "activation=relu"),
    "lstm": ("width=8", "forget_bias=2"),
    "gru": ("width=8",),
}


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_takes_every_setting_and_the_data_in_its_own_form(kind):
    task, x, _ = as_task(data.load("digits"), (kind, *MODELS[kind]), ("he_normal",), ())
    params = jax.eval_shape(task.model.init, jax.random.key(0))
    assert jax.eval_shape(task.model.apply, params, x[:5]).shape == (5, 10)
    assert x.shape[1:] == {"conv_net": (8, 8, 1)}.get(kind, (64, 1) if kind in ("rnn", "lstm", "gru") else (64,))


def test_a_run_that_ends_non_finite_exits_1_with_a_remedy(capsys, tmp_path):
    code, out, _ = run(
        capsys, "train", "--rule", "sgd", "learning_rate=1e6", "--steps", "20", "--out", str(tmp_path / "r")
    )
    assert code == 1
    assert "non_finite" in out
    assert "lower learning_rate" in out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["rules", "adm"], "Did you mean 'adam'"),
        (["rules", "--explain"], "needs the name of a rule"),
        (["rules", "adam", "--explain", "--hyper", "beta=1"], "Known: b1"),
        (["rules", "adam", "--explain", "--hyper", "b1"], "needs NAME=VALUE"),
        (["rules", "adam", "--explain", "--hyper", "b1=2"], "0 <= b1 < 1"),
        (["parity", "adm"], "Did you mean 'adam'"),
        (["parity", "loses.huber"], "Did you mean 'losses'"),
        (["parity", "losses.hubr"], "Did you mean 'huber'"),
        (["train", "--data", "digit"], "Did you mean 'digits'"),
        (["train", "--data", "digits", "n_trian=5"], "Did you mean 'n_train'"),
        (["train", "--model", "mpl"], "Did you mean 'mlp'"),
        (["train", "--model", "mlp", "widht=3"], "Did you mean 'width'"),
        (["train", "--data", "spirals", "--model", "conv_net"], "conv_net needs images"),
        (["train", "--model", "mlp", "depth=0"], "depth to be an integer >= 1"),
        (["train", "--model", "mlp", "activation=rellu"], "Did you mean 'relu'"),
        (["train", "--rule", "learning_rate=0.1"], "needs a name before its settings"),
        (["train", "--rule", "adam"], "needs learning_rate"),
        (["train", "--rule", "adam", "learning_rate=nan"], "learning_rate"),
        (["train", "--rule", "adam", "learning_rate=0.1", "--schedule", "cosine", "peak=1", "steps=2"], "leave learning_rate"),
        (["train", "--init", "he_norml"], "Did you mean 'he_normal'"),
        (["train", "--clip", "clip_by_globl_norm"], "Did you mean 'clip_by_global_norm'"),
        (["train", "--loss", "hubr"], "Did you mean 'huber'"),
        (["train", "--steps", "0"], "steps"),
        (["train", "--batch-size", "100000"], "batch_size"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_on_stderr_exit_code_2_and_leaves_no_file(capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *argv)
    assert code == 2
    assert words in err
    assert out == ""
    assert err.startswith("gdfunc: ")
    assert err.count("\n") == 1
    assert list(tmp_path.rglob("*")) == []


def test_an_earlier_run_is_not_overwritten_unless_told(capsys, tmp_path):
    argv = ["train", "--data", "two_moons", "n_train=50", "--steps", "2", "--batch-size", "8", "--out", str(tmp_path)]
    (tmp_path / "precious.txt").write_text("mine")
    code, _, err = run(capsys, *argv)
    assert code == 2
    assert "exists" in err
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    assert run(capsys, *argv, "--overwrite")[0] == 0
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_missing_extra_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    code, _, err = run(capsys, "rules")
    assert code == 3
    assert 'pip install "gdfunc[lab]"' in err
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert main(["rules"]) == 3
    assert 'pip install "gdfunc[lab]"' in capsys.readouterr().err
