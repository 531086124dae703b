"""What the frameworks share: a loss of (params, (x, y)) from a prediction, and a clear word where one is missing."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from jax import Array

from ..core import MissingExtra, Tree

Loss = Callable[[Any, Any], Array]
LossFn = Callable[[Tree, tuple[Any, Any]], Array]

_PACKAGES = {"haiku": "dm-haiku"}  # where pip's name is another than the module's


def supervised(who: str, predict: Callable[[Tree, Any], Any], loss: Loss) -> LossFn:
    """(params, (x, y)) -> loss(predict(params, x), y)."""

    def loss_fn(params: Tree, batch: tuple[Any, Any]) -> Array:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            given = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
            raise ValueError(f"{who}'s loss needs batch = (x, y), and was given {given}")
        x, y = batch
        return loss(predict(params, x), y)

    return loss_fn


def need(module: str) -> Any:
    """A framework's module, or `MissingExtra` with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        package = _PACKAGES.get(name, name)
        raise MissingExtra(f"gdfunc needs {name} for this, and it is not installed: pip install {package}") from error


def check_model(who: str, model: Any, kind: Any, needed: str) -> None:
    """Raises ValueError unless the model is of the framework's kind."""
    if not isinstance(model, kind):
        given = f"the class {model.__name__}, not an instance" if isinstance(model, type) else type(model).__name__
        raise ValueError(f"{who} needs {needed}, and was given {given}")
