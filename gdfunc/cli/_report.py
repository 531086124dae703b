"""`gdfunc report` and `gdfunc watch`."""

import json
from pathlib import Path

from ..core import write_atomically
from ..diagnosis import judge_run, of_run
from ..report import run_report, watch
from ..report._run_folder import run_config


def write_report(run: Path, against: Path | None, out: Path | None) -> int:
    """Writes a run's page, and prints where it stands."""
    run_config(run)  # what is no run is refused before anything is written
    if _from_records(run):
        of_run(run)
    page = run_report(run, against=against)
    print(write_atomically(out or run / "report.html", lambda file: file.write(page.encode())))
    return 0


def _from_records(run: Path) -> bool:
    """Whether the run's findings are to be made from its records: there are none, or they were made so before."""
    findings, metrics = run / "findings.json", run / "metrics.jsonl"
    if not findings.exists():
        return metrics.exists() and (run / "config.json").exists()
    try:
        return json.loads(findings.read_bytes()).get("made_from") == "records"
    except (ValueError, AttributeError):  # cut off: a report of the rest is better than none
        return False


def watch_run(run: Path, every: float, once: bool) -> int:
    """Shows a run in the terminal."""
    watch(run, every=every, once=once, judge=judge_run if _from_records(run) else None)
    return 0
