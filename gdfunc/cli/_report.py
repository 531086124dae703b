"""`gdfunc report` and `gdfunc watch`."""

from pathlib import Path

from ..core import write_atomically
from ..report import run_report, watch


def write_report(run: Path, against: Path | None, out: Path | None) -> int:
    """Writes a run's page, and prints where it stands."""
    page = run_report(run, against=against)
    print(write_atomically(out or run / "report.html", lambda file: file.write(page.encode())))
    return 0


def watch_run(run: Path, every: float, once: bool) -> int:
    """Shows a run in the terminal."""
    watch(run, every=every, once=once)
    return 0
