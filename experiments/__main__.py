"""Runs experiments and puts all their claims on one page: `python -m experiments [NAME ...] [--quick] [--json FILE]`.

Exit code 0 where every claim holds, 1 where one does not or an experiment breaks off, 2 for wrong usage.
"""

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from gdfunc.core import write_atomically
from gdfunc.parity import versions
from gdfunc.report import experiment, experiments_page, show_claims

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("[!_]*.py"))


def run(name: str, quick: bool, seed: int, out: Path) -> dict[str, Any]:
    """An experiment's record; one that breaks off does not take the others with it."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    try:
        record = experiment(importlib.import_module(name).main, out / name, quick=quick, seed=seed)
    except Exception as error:
        traceback.print_exc()
        about = {"experiment": name, "about": "", "quick": quick, "mutate": False, "seed": seed, "versions": versions()}
        return {**about, "seconds": 0, "claims": [], "holds": False, "pictures": [], "error": repr(error)}
    jax.clear_caches()
    show_claims(record)
    return record


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    quick: bool = False,
    seed: int = 0,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    out: Path = Path("results"),
) -> int:
    """Runs experiments, writes their records and pictures, and one page with every claim.

    Args:
        names: which; all where none is named.
        quick: shorter versions with the same claims.
        seed: what random numbers are drawn from.
        json_file: a file for all records.
        out: the folder for index.html and each experiment's own.
    """
    if unknown := [name for name in names if name not in NAMES]:
        print(f"no experiment is called {', '.join(unknown)}: there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(HERE))
    records = [run(name, quick, seed, out) for name in names or NAMES]
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
