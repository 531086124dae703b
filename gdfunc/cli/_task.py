"""What the options of `gdfunc train` name: a model that fits the data, its loss, and the update rule."""

import math
from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

import jax.numpy as jnp

from .. import clipping, init, losses, models, rules, schedules
from ..core import chain, did_you_mean
from ..data import Dataset
from ..models import Model
from ._parse import named


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
    make, form = _MODELS[kind]
    known = [name for name, each in signature(make).parameters.items() if each.default is not Parameter.empty]
    for given in settings:
        if given not in known:
            raise did_you_mean(f"--model {kind}", given, known)
    outputs = dataset.meta.classes or dataset.y_train.shape[-1]
    name, options = named(weights, "--init") if weights else ("", {})
    drawn = init.get(name, **options) if name else None
    x_train, x_test = form(dataset.x_train), form(dataset.x_test)
    made = make(x_train.shape[-1], outputs, drawn, **settings)
    default = ("softmax_cross_entropy",) if dataset.meta.classes else ("squared_error",)
    loss_name, loss_options = named(loss or default, "--loss")
    return Task(made, losses.get(loss_name, **loss_options), dataset.meta.classes), x_train, x_test


def _mlp(inputs, outputs, drawn, width=64, depth=3, activation="relu", norm=None):
    return models.mlp(_sizes(inputs, outputs, width, depth), activation, drawn, norm=norm)


def _deep_linear(inputs, outputs, drawn, width=64, depth=3):
    return models.deep_linear(_sizes(inputs, outputs, width, depth), drawn)


def _residual(inputs, outputs, drawn, width=64, blocks=3, layers=2, activation="relu", norm=None, fixup=False):
    return models.residual(inputs, width, outputs, blocks, layers, activation, drawn, norm=norm, fixup=fixup)


def _conv_net(inputs, outputs, drawn, width=16, depth=3, activation="relu", norm=None):
    channels = _sizes(inputs, outputs, width, depth)[1:-1]
    return models.conv_net(inputs, channels, outputs, activation, weights=drawn, norm=norm)


def _rnn(inputs, outputs, drawn, width=64, activation="tanh"):
    return models.rnn(inputs, width, outputs, activation, drawn)


def _lstm(inputs, outputs, drawn, width=64, forget_bias=1.0):
    return models.lstm(inputs, width, outputs, forget_bias, drawn)


def _gru(inputs, outputs, drawn, width=64):
    return models.gru(inputs, width, outputs, recurrent=drawn)


def _sizes(inputs: int, outputs: int, width: int, depth: Any) -> tuple[int, ...]:
    """Of `depth` layers of weights."""
    if not isinstance(depth, int) or depth < 1:
        raise ValueError(f"--model needs depth to be an integer >= 1, and was given depth={depth!r}")
    return (inputs, *[width] * (depth - 1), outputs)


def _flat(x: Any) -> Any:
    return x.reshape(len(x), -1)


def _series(x: Any) -> Any:
    return x if x.ndim == 3 else x.reshape(len(x), -1, 1)


def _images(x: Any) -> Any:
    """Square images may be rows of their pixels."""
    side = math.isqrt(x[0].size)
    if x.ndim == 2 and side * side == x[0].size > 1:
        return x.reshape(len(x), side, side, 1)
    if x.ndim < 3:
        raise ValueError(f"--model conv_net needs images, and was given data of {x[0].size} numbers an example")
    return x if x.ndim == 4 else x[..., None]


# Kind -> (what makes it of (inputs, outputs, initialiser or None, settings), the form in which it takes the data).
_MODELS = {
    "mlp": (_mlp, _flat),
    "deep_linear": (_deep_linear, _flat),
    "residual": (_residual, _flat),
    "conv_net": (_conv_net, _images),
    "rnn": (_rnn, _series),
    "lstm": (_lstm, _series),
    "gru": (_gru, _series),
}


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
