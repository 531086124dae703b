"""`python -m experiments` runs what is named, puts it on one page, and tells what failed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gdfunc.report import experiments_page

ROOT = Path(__file__).parents[2]
BREAKS = '''"""An experiment that breaks off."""


def main(lab):
    lab.claim("one", predicted=1, measured=1)
    raise ValueError("no such <data>")
'''


def experiments(*arguments, cwd=ROOT):
    command = [sys.executable, "-m", "experiments", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_named_experiments_run_and_their_page_stands_alone(tmp_path):
    done = experiments(
        "worst_cases", "clipping_pays", "--quick", "--out", tmp_path / "out", "--json", tmp_path / "all.json"
    )
    assert done.returncode == 0, done.stderr
    assert "all 21 claims hold" in done.stdout
    records = json.loads((tmp_path / "all.json").read_text())
    assert [record["experiment"] for record in records] == ["worst_cases", "clipping_pays"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "21 of 21 claims hold" in page
    assert page.count("<tr><td>") == 21
    assert page.count('src="data:image/png') == 2
    assert "http" not in page.replace("http://www.w3.org", "")
    for link in ("worst_cases/worst_cases.json", "clipping_pays/clipping_pays.svg"):
        assert f'href="{link}"' in page
        assert (tmp_path / "out" / link).exists()


def test_an_unknown_name_is_refused_with_those_that_there_are(tmp_path):
    done = experiments("worst_case", "--out", tmp_path)
    assert done.returncode == 2
    assert "no experiment is called worst_case: there are adam_counterexample" in done.stderr
    assert not list(tmp_path.iterdir())


def test_one_that_breaks_off_is_named_and_takes_no_other_with_it(tmp_path):
    folder = tmp_path / "experiments"
    folder.mkdir()
    for name in ("__main__.py", "_run.py", "clipping_pays.py"):
        (folder / name).write_text((ROOT / "experiments" / name).read_text())
    (folder / "a_broken_one.py").write_text(BREAKS)
    done = experiments("--quick", "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "failed: a_broken_one" in done.stdout
    assert "no such <data>" in done.stderr
    page = (tmp_path / "out" / "index.html").read_text()
    assert "It broke off: ValueError(&#39;no such &lt;data&gt;&#39;)" in page
    assert "10 of 10 claims hold" in page


@pytest.mark.parametrize("measured", [1.0, 3.0])
def test_a_claim_that_fails_is_seen_on_the_page(tmp_path, measured):
    claim = {
        "what": "a & b",
        "predicted": 1.0,
        "measured": measured,
        "tolerance": 0.1,
        "kind": "relative",
        "source": "x",
    }
    record = {
        "experiment": "one_of_two", "about": "It is so.", "seconds": 1.0, "holds": measured == 1, "pictures": [], "versions": {},
        "claims": [{**claim, "holds": measured == 1}],
    }  # fmt: skip
    page = experiments_page([record], tmp_path)
    assert f"{int(measured == 1)} of 1 claims hold" in page
    assert ("FAILS" in page) == (measured == 3)
    assert "a &amp; b" in page
