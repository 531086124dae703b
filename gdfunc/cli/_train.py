"""`gdfunc train`."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from .. import clipping, data as data_sets, init, losses, models, rules, schedules
from ..core import chain, did_you_mean, write_atomically
from ..data import Dataset
from ..instruments import wanted
from ..models import Model
from ..parity import versions
from ..report import number, save, show, table, training_curves
from ..training import Target, train
from ._parse import named

_FILES = {f"history.{end}" for end in ("npz", "json")} | {f"training.{end}" for end in ("svg", "png")}
_FILES |= {"run.json", "config.json", "env.json", "metrics.jsonl", "findings.json", "report.html"}
_MODELS = {
    "mlp": ("width", "depth", "activation"),
    "deep_linear": ("width", "depth"),
    "rnn": ("width", "activation"),
}


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


class Task:
    """A model, its loss on a batch, and what is measured on the test set."""

    def __init__(self, model: Model, loss: Any, classes: int | None):
        self.model, self.each, self.classes = model, loss, classes

    def loss(self, params: Any, batch: Any) -> Any:
        x, y = batch
        return jnp.mean(self.each(self.model.apply(params, x), y))

    def evaluate(self, params: Any, x: Any, y: Any) -> dict[str, float]:
        prediction = self.model.apply(params, jnp.asarray(x))
        found = {"loss": float(jnp.mean(self.each(prediction, jnp.asarray(y))))}
        if self.classes is not None:
            found["accuracy"] = float(jnp.mean(jnp.argmax(prediction, -1) == y))
        return found


def as_task(
    dataset: Dataset, model: Sequence[str], weights: Sequence[str], loss: Sequence[str]
) -> tuple[Task, Any, Any]:
    """The model that fits the data, and the inputs as it takes them."""
    kind, settings = named(model, "--model")
    if kind not in _MODELS:
        raise did_you_mean("--model", kind, _MODELS)
    for given in settings:
        if given not in _MODELS[kind]:
            raise did_you_mean(f"--model {kind}", given, _MODELS[kind])
    outputs = dataset.meta.classes or dataset.y_train.shape[-1]
    name, options = named(weights, "--init") if weights else ("", {})
    drawn = init.get(name, **options) if name else None
    if kind == "rnn":
        series = lambda x: x if x.ndim == 3 else x.reshape(len(x), -1, 1)  # noqa: E731
        x_train, x_test = series(dataset.x_train), series(dataset.x_test)
        made = recurrent_net(x_train.shape[-1], outputs, drawn, **settings)
    else:
        x_train, x_test = (x.reshape(len(x), -1) for x in (dataset.x_train, dataset.x_test))
        made = layered_net(kind, x_train.shape[-1], outputs, drawn, **settings)
    default = ("softmax_cross_entropy",) if dataset.meta.classes else ("squared_error",)
    loss_name, loss_options = named(loss or default, "--loss")
    return Task(made, losses.get(loss_name, **loss_options), dataset.meta.classes), x_train, x_test


def recurrent_net(inputs: int, outputs: int, drawn: Any, width: int = 64, activation: str = "tanh") -> Model:
    """`--model rnn`."""
    return models.rnn(inputs, width, outputs, activation=activation, recurrent=drawn)


def layered_net(
    kind: str, inputs: int, outputs: int, drawn: Any, width: int = 64, depth: int = 3, activation: str = "relu"
) -> Model:
    """`--model mlp` or `deep_linear`: `depth` layers of weights."""
    if not isinstance(depth, int) or depth < 1:
        raise ValueError(f"--model needs depth to be an integer >= 1, and was given depth={depth!r}")
    sizes = (inputs, *[width] * (depth - 1), outputs)
    if kind == "deep_linear":
        return models.deep_linear(sizes, weights=drawn)
    return models.mlp(sizes, activation=activation, weights=drawn)


def make_rule(rule: Sequence[str], schedule: Sequence[str], clip: Sequence[str]) -> Any:
    """The update rule, its rate scheduled and its gradients clipped where that is asked for."""
    name, hyper = named(rule, "--rule")
    if schedule:
        if "learning_rate" in hyper:
            raise ValueError("--schedule gives the learning rate: leave learning_rate out of --rule")
        schedule_name, options = named(schedule, "--schedule")
        hyper["learning_rate"] = schedules.get(schedule_name, **options)
    made = rules.get(name, **hyper)
    if not clip:
        return made
    clip_name, options = named(clip, "--clip")
    return chain(clipping.get(clip_name, **options), made)


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
