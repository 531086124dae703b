"""`gdfunc train`."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from .. import data as data_sets
from ..core import write_atomically
from ..instruments import wanted
from ..parity import versions
from ..report import number, save, show, table, training_curves
from ..training import Target, train
from ._parse import named
from ._task import as_task, make_rule

_FILES = {f"history.{end}" for end in ("npz", "json")} | {f"training.{end}" for end in ("svg", "png")}
_FILES |= {"run.json", "config.json", "env.json", "metrics.jsonl", "findings.json", "report.html"}


def run_training(
    data: Sequence[str],
    model: Sequence[str],
    weights: Sequence[str],
    rule: Sequence[str],
    schedule: Sequence[str],
    clip: Sequence[str],
    loss: Sequence[str],
    steps: int,
    batch_size: int,
    accumulate: int,
    target: float | None,
    instruments: Sequence[str],
    every: int,
    seed: int,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Trains, prints what came of it, and fills the run's folder; 1 where the run ended non-finite."""
    name, options = named(data, "--data")
    dataset = data_sets.load(name, **options)
    task, x_train, x_test = as_task(dataset, model, weights, loss)
    update = make_rule(rule, schedule, clip)
    folder = free_folder(out or Path("runs") / f"{name}-{model[0]}-{rule[0]}", overwrite)

    read = paces(instruments)
    if read:
        empty(folder)
    start = task.model.init(jax.random.key(seed))
    run = train(
        task.loss,
        start,
        (x_train, dataset.y_train),
        update,
        steps=steps,
        batch_size=batch_size or None,
        accumulate=accumulate,
        key=seed,
        stop=[] if target is None else [Target(target)],
        instruments=read,
        every=every,
        folder=folder if read else None,
        evaluate=lambda params: task.evaluate(params, x_test, dataset.y_test),
        evaluate_every=max(1, steps // 20),
        progress=sys.stderr.isatty(),
    )
    history = run.history
    record = {
        "schema": 1,
        "command": shlex.join(["gdfunc", *sys.argv[1:]]),
        "data": {"name": name, "options": dict(dataset.meta.options), "sha256": dataset.meta.sha256},
        "model": list(model),
        "init": list(weights),
        "rule": repr(update),
        "steps": run.step,
        "batch_size": batch_size,
        "seed": seed,
        "outcome": {"code": run.outcome.code, "message": run.outcome.message, "remedy": run.outcome.remedy},
        "first_loss": float(history.loss[0]),
        "last_loss": float(history.loss[-1]),
        "test": {key: [float(x) for x in values] for key, values in history.evaluated.items()},
        "test_step": history.evaluated_step.tolist(),
        "versions": versions(),
    }
    history.save(folder / "history")
    pictures = save(training_curves({rule[0]: history}, f"{name}, {model[0]}"), folder / "training")
    encoded = json.dumps(record, indent=1, default=str)
    write_atomically(folder / "run.json", lambda file: file.write(encoded.encode()))
    if as_json:
        print(encoded)
    else:
        rows = [("loss", number(history.loss[0], 4), number(history.loss[-1], 4))]
        rows += [(f"test {key}", number(x[0], 4), number(x[-1], 4)) for key, x in history.evaluated.items()]
        rows += [("gradient norm", number(history.grad_norm[0], 4), number(history.grad_norm[-1], 4))]
        show(table(repr(update), ("", "first", "last"), rows))
        print(f"\n{run.outcome}")
        for path in (*pictures, folder / "history.npz", folder / "run.json"):
            print(f"  {path}")
        if read:
            print(f"\ngdfunc report {shlex.quote(str(folder))} shows every layer")
    return 1 if run.outcome.code == "non_finite" else 0


def paces(instruments: Sequence[str]) -> dict[str, int | None]:
    """`standard sharpness=20` as `train` takes it."""
    found: dict[str, int | None] = {}
    for word in instruments:
        name, given, pace = word.partition("=")
        if given and not pace.isdecimal():
            raise ValueError(f"--instruments needs a whole number of records, as in {name}=10, and was given {word!r}")
        found[name] = int(pace) if given else None
    wanted("--instruments", found, {})  # a wrong name is told before anything is replaced
    return found


def empty(folder: Path) -> None:
    """Takes an earlier run's files away; a folder with others in it is left alone."""
    files = list(folder.iterdir()) if folder.exists() else []
    if others := sorted(file.name for file in files if file.name not in _FILES):
        raise ValueError(f"--instruments need a folder of their own, and {folder} holds {', '.join(others)}")
    for file in files:
        file.unlink()


def free_folder(folder: Path, overwrite: bool) -> Path:
    """The run's folder, made when its first file is written; one with files in it is left alone unless `overwrite`."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise ValueError(f"{folder} exists: give --out another folder, or --overwrite to replace its files")
    return folder
