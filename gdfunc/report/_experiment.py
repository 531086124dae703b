"""The frame of an experiment: its options, claims, figures and JSON record."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core import need, write_atomically
from ..parity import versions
from ._claims import Claim, show_claims
from ._figures import save, style


@dataclass
class Lab:
    """What an experiment is given: its options, and where claims and pictures go.

    Attributes:
        quick: whether to run the short version.
        mutate: whether to break the thing that the claims depend on; then a claim must fail.
        seed: what random numbers are drawn from; the claims hold from any.
        out: the folder for pictures and the record.
        name: the experiment's name.
    """

    name: str
    quick: bool
    mutate: bool
    seed: int
    out: Path
    claims: list[Claim] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def claim(
        self,
        what: str,
        *,
        predicted: Any,
        measured: Any,
        tolerance: float = 0.0,
        kind: Literal["relative", "absolute", "at_most", "at_least"] = "relative",
        source: str = "",
    ) -> Claim:
        """Adds a line to the table; see `Claim`."""
        made = Claim(what, float(predicted), float(measured), tolerance, kind, source)
        self.claims.append(made)
        return made

    def figure(self, made: Any, name: str | None = None) -> None:
        """Saves a matplotlib figure as SVG and PNG in the experiment's folder."""
        self.pictures += save(made, self.out / (name or self.name))

    def keep(self, **data: Any) -> None:
        """Keeps numbers or arrays for the JSON record."""
        self.data.update(data)

    def say(self, message: str) -> None:
        """A line of progress, on stderr."""
        print(message, file=sys.stderr, flush=True)


def experiment(
    main: Callable[[Lab], None], out: Path, *, quick: bool = False, mutate: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Runs `main`, and writes its pictures and its record.

    Args:
        main: takes a `Lab`; its module's docstring says what it is about.
        out: the folder for pictures and the record.
        quick: a shorter version with the same claims.
        mutate: break the thing that the claims depend on.
        seed: what random numbers are drawn from.

    Returns:
        The record, as JSON has it: among others `claims`, `pictures`, `seconds`, and `holds`, False where a claim
        does not or none was made.
    """
    module = sys.modules[main.__module__]
    lab = Lab(Path(module.__file__ or "experiment.py").stem, quick, mutate, seed, out)
    started = time.perf_counter()
    with style():
        main(lab)
    record = {
        "schema": 1,
        "experiment": lab.name,
        "about": (module.__doc__ or "").split("\n\n")[0].replace("\n", " "),
        "quick": quick,
        "mutate": mutate,
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
        "versions": versions(),
        "claims": [{**asdict(claim), "holds": claim.holds} for claim in lab.claims],
        "holds": bool(lab.claims) and all(claim.holds for claim in lab.claims),
        "pictures": [path.name for path in lab.pictures],
        "data": lab.data,
    }
    record = _plain(record)
    encoded = json.dumps(record, indent=1, allow_nan=False)
    write_atomically(lab.out / f"{lab.name}.json", lambda file: file.write(encoded.encode()))
    return record


def run_experiment(main: Callable[[Lab], None], argv: list[str] | None = None) -> int:
    """Reads `--quick`, `--mutate`, `--seed`, `--out` and `--json`, runs `main`, prints the table and writes the record.

    Args:
        main: takes a `Lab`; its module's docstring is the help text.
        argv: the arguments; the command line's if not given.

    Returns:
        0 where every claim holds, 1 where one does not or none was made.
    """
    path = Path(sys.modules[main.__module__].__file__ or "experiment.py")

    def options(quick: bool = False, mutate: bool = False, seed: int = 0, out: Path | None = None, json: bool = False):
        """Options.

        Args:
            quick: a shorter version with the same claims.
            mutate: break the thing that the claims depend on; the script must then fail.
            seed: what random numbers are drawn from.
            out: the folder for pictures and the record; results/NAME if not given.
            json: print the record as JSON on stdout instead of the table.
        """
        return quick, mutate, seed, out, json

    tyro = need("tyro")
    about = sys.modules[main.__module__].__doc__
    quick, mutate, seed, out, as_json = tyro.cli(
        options, args=argv, prog=path.name, description=about, config=(tyro.conf.FlagCreatePairsOff,)
    )
    out = out or Path("results") / path.stem
    record = experiment(main, out, quick=quick, mutate=mutate, seed=seed)
    if as_json:
        print(json.dumps(record, indent=1, allow_nan=False))
    else:
        show_claims(record)
        for name in [*record["pictures"], f"{record['experiment']}.json"]:
            print(f"  {out / name}")
    return 0 if record["holds"] else 1


def _plain(x: Any) -> Any:
    """Arrays as lists, and what JSON has no number for as a word."""
    if isinstance(x, dict):
        return {str(key): _plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(value) for value in x]
    if hasattr(x, "dtype"):
        return _plain(np.asarray(x).tolist())
    if isinstance(x, float) and not np.isfinite(x):
        return str(x)
    return str(x) if isinstance(x, Path) else x
