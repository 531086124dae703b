"""The libraries of the `lab` extra, imported when a table, page or picture is made."""

from importlib import import_module
from typing import Any


class MissingExtra(ImportError):
    """A library of an optional extra is not installed; the message says how to get it."""


def need(module: str) -> Any:
    """The module called `module`, or `MissingExtra` with the command that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        raise MissingExtra(
            f'gdfunc needs {name} for this, and it is not installed: pip install "gdfunc[lab]"'
        ) from error
