"""What the options of `gdfunc train` name: a model that fits the data, its loss, and the update rule."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from .. import clipping, init, losses, models, rules, schedules
from ..core import chain, did_you_mean
from ..data import Dataset
from ..models import Model
from ._parse import named

_MODELS = {
    "mlp": ("width", "depth", "activation"),
    "deep_linear": ("width", "depth"),
    "rnn": ("width", "activation"),
}


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
