"""The benchmarks' command."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*argv):
    return subprocess.run([sys.executable, "-m", "benchmarks", *argv], cwd=ROOT, capture_output=True, text=True)


def test_a_benchmark_prints_its_ratios_and_writes_them_as_json(tmp_path):
    done = run("imports", "--quick", "--json", str(tmp_path / "b.json"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "b.json").read_text())["rows"]["imports"]
    assert [row["what"] for row in rows] == ["import gdfunc", "everything in gdfunc"]
    assert all(row["CPU over import jax, optax"] > 0 for row in rows)
    assert "everything in gdfunc" in done.stdout


def test_an_unknown_benchmark_is_told_with_the_nearest():
    done = run("import")
    assert done.returncode == 2
    assert "Did you mean 'imports'" in done.stderr
