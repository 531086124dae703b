"""`gdfunc report` and `gdfunc watch`: where the page goes, what is printed, and what is refused."""

import json
import sys

import pytest

from gdfunc.cli import main


@pytest.fixture
def run_folder(tmp_path):
    """A function that makes a small run's folder."""

    def make(name, loss=2.0):
        folder = tmp_path / name
        folder.mkdir()
        about = {"title": "Gradient norm", "unit": "loss / weight", "scale": "log", "of": "layer", "says": ""}
        layers = [{"name": name, "kind": "dot_general", "activation": ""} for name in ("hidden", "out")]
        config = {
            "format": "gdfunc run",
            "version": 1,
            "rule": f"SGD({loss})",
            "every": 1,
            "steps": 2,
            "layers": layers,
        }
        (folder / "config.json").write_text(json.dumps({**config, "instruments": {"gradient_norm": about}}))
        lines = [json.dumps({"step": t, "loss": loss / t, "gradient_norm": [0.25, 0.5 * t]}) for t in (1, 2)]
        (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
        return folder

    return make


def call(capsys, *argv):
    """Exit code, stdout, stderr."""
    code = main(list(map(str, argv)))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_page_goes_into_the_runs_folder_or_where_it_is_told(capsys, tmp_path, run_folder):
    run = run_folder("a")
    assert call(capsys, "report", run) == (0, f"{run / 'report.html'}\n", "")
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    out = tmp_path / "pages" / "a.html"
    assert call(capsys, "report", run, "--out", out)[:2] == (0, f"{out}\n")
    assert out.read_bytes() == (run / "report.html").read_bytes()


def test_a_page_against_another_run_names_both(capsys, run_folder):
    code, _, _ = call(capsys, "report", run_folder("a"), "--against", (other := run_folder("b", loss=3.0)))
    page = (other.parent / "a" / "report.html").read_text(encoding="utf-8")
    assert code == 0
    assert "SGD(2.0)" in page
    assert "SGD(3.0)" in page
    assert "What changed from b" in page


def test_watching_once_shows_the_run_and_ends(capsys, run_folder):
    code, out, _ = call(capsys, "watch", run_folder("a"), "--once")
    assert code == 0
    assert "step 2 of 2" in out
    assert "hidden" in out
    assert "loss 2 " in out


def test_watching_judges_what_is_recorded_by_now(capsys, run_folder):
    run = run_folder("a")
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 3, "loss": "NaN", "gradient_norm": [0.1, 0.1]}) + "\n")
    assert "Numbers are no longer finite" in call(capsys, "watch", run, "--once")[1]
    assert not (run / "findings.json").exists()


def test_a_narrow_terminal_shows_the_instruments_that_fit(capsys, monkeypatch, run_folder):
    run = run_folder("a")
    config = json.loads((run / "config.json").read_text())
    about = config["instruments"]["gradient_norm"]
    config["instruments"] |= {f"other_{i}": {**about, "title": f"Other {i}"} for i in range(9)}
    (run / "config.json").write_text(json.dumps(config))
    numbers = {name: [0.00139, 0.00139] for name in config["instruments"]}
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 1.0, **numbers}) + "\n")
    monkeypatch.setenv("COLUMNS", "80")
    out = call(capsys, "watch", run, "--once")[1]
    assert "0.00139" in out
    assert "No room for: " in out
    assert max(map(len, out.split("No room")[0].splitlines())) <= 80


@pytest.mark.parametrize("verb", ["report", "watch"])
@pytest.mark.parametrize(
    ("config", "words"),
    [(None, "config.json"), ("{}", "gdfunc run"), ('{"format": "gdfunc run", "version": 9}', "of version 9")],
)
def test_what_is_no_run_is_one_line_on_stderr_exit_code_2_and_leaves_no_file(capsys, tmp_path, verb, config, words):
    folder = tmp_path / "run"
    folder.mkdir()
    if config:
        (folder / "config.json").write_text(config)
        (folder / "metrics.jsonl").write_text("")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call(capsys, verb, folder)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_findings_that_are_cut_off_do_not_keep_a_page_from_being_written(capsys, run_folder):
    run = run_folder("a")
    (run / "findings.json").write_text('{"findings": [')
    assert call(capsys, "report", run)[0] == 0
    assert "No findings written" in (run / "report.html").read_text(encoding="utf-8")


def test_another_run_that_is_none_leaves_no_page_behind(capsys, tmp_path, run_folder):
    run = run_folder("a")
    code, _, err = call(capsys, "report", run, "--against", tmp_path / "missing")
    assert code == 2
    assert "missing" in err
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(("verb", "library"), [("report", "jinja2"), ("watch", "rich.console")])
def test_a_missing_library_is_exit_code_3(capsys, monkeypatch, run_folder, verb, library):
    run = run_folder("a")
    monkeypatch.setitem(sys.modules, library, None)
    code, _, err = call(capsys, verb, run)
    assert code == 3
    assert 'pip install "gdfunc[lab]"' in err
