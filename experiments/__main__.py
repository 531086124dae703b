"""Runs experiments and puts all their claims on one page: `python -m experiments [NAME ...] [--quick] [--json FILE]`.

Exit code 0 where every claim holds, 1 where one does not or an experiment breaks off, 2 for wrong usage.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import tyro

from experiments._run import HERE, run_all
from gdfunc.core import write_atomically
from gdfunc.report import experiments_page, show_claims

NAMES = sorted(path.stem for path in HERE.glob("[!_]*.py"))


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    quick: bool = False,
    seed: int = 0,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    out: Path = Path("results"),
    jobs: int | None = None,
) -> int:
    """Runs experiments, writes their records and pictures, and one page with every claim.

    Args:
        names: which; all where none is named.
        quick: shorter versions with the same claims.
        seed: what random numbers are drawn from.
        json_file: a file for all records.
        out: the folder for index.html and each experiment's own.
        jobs: how many at once, each in a process of its own; as many as there are cores, and no more than 4, if not given.
    """
    if unknown := [name for name in names if name not in NAMES]:
        print(f"no experiment is called {', '.join(unknown)}: there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    if jobs is not None and jobs < 1:
        print(f"--jobs needs 1 or more, and was given {jobs}", file=sys.stderr)
        return 2
    names = names or tuple(NAMES)
    records = []
    for record in run_all(names, quick, seed, out, jobs or min(os.cpu_count() or 1, 4, len(names))):
        if "error" not in record:
            show_claims(record)
        records.append(record)
    page = experiments_page(records, out)
    print(f"\n{write_atomically(out / 'index.html', lambda file: file.write(page.encode()))}")
    if json_file is not None:
        encoded = json.dumps(records, indent=1, allow_nan=False)
        write_atomically(json_file, lambda file: file.write(encoded.encode()))
    failed = [record["experiment"] for record in records if not record["holds"]]
    print(f"failed: {', '.join(failed)}" if failed else f"all {sum(len(r['claims']) for r in records)} claims hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m experiments", config=(tyro.conf.FlagCreatePairsOff,)))
