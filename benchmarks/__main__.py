"""Runs the benchmarks named, or all of them, and prints ratios."""

import json as json_module
import sys
from importlib import import_module
from pathlib import Path

import tyro

from gdfunc.core import did_you_mean, write_atomically
from gdfunc.parity import versions
from gdfunc.report import number, show, table

NAMES = ("cost", "imports", "instruments", "speed")


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = NAMES,
    /,
    quick: bool = False,
    json: Path | None = None,
    cockpit: Path | None = None,
) -> int:
    """Side by side against the peer, in one run. Figures are ratios: below 1 is in gdfunc's favour.

    Args:
        names: cost (flops and bytes), imports (CPU time), instruments (time of a watched step), speed (time of an update).
        quick: fewer repetitions.
        json: write the rows to this file too.
        cockpit: a Python with cockpit-for-pytorch, to run it beside the instruments.
    """
    found = {}
    for name in names:
        if name not in NAMES:
            print(f"benchmarks: {did_you_mean('benchmarks', name, NAMES)}", file=sys.stderr)
            return 2
    for name in names:
        module = import_module(f"benchmarks.{name}")
        found[name] = list(module.rows(quick, cockpit) if name == "instruments" else module.rows(quick))
        columns = list(dict.fromkeys(column for row in found[name] for column in row))
        cell = lambda x: x if isinstance(x, str) else number(x, 4)  # noqa: E731
        rows = [[cell(row.get(column, "")) for column in columns] for row in found[name]]
        show(table((module.__doc__ or name).strip(), columns, rows), width=160)
        print()
    if json:
        encoded = json_module.dumps({"schema": 1, "versions": versions(), "rows": found}, indent=1)
        write_atomically(json, lambda file: file.write(encoded.encode()))
    return 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main, config=(tyro.conf.FlagCreatePairsOff,)))
