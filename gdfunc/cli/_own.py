"""Things from a user's own module: `my_module:make`, `package.module.rule`."""

import importlib
import sys
from pathlib import Path
from typing import Any

from ..core import did_you_mean


def own(who: str, name: str) -> Any:
    """What is called `name`, a module and a name in it between which stands a colon or the last dot.

    Raises:
        ValueError: where there is no such module, or nothing of that name in it.
    """
    module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    if not module or not attribute:
        raise ValueError(f"{who} needs my_module:name, and was given {name!r}")
    if str(Path.cwd()) not in sys.path:  # a user's own module, beside which the command is run
        sys.path.append(str(Path.cwd()))
    try:
        made = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"{who} finds no module {error.name!r} for {name!r}") from error
    if not hasattr(made, attribute):
        raise did_you_mean(module, attribute, [each for each in dir(made) if not each.startswith("_")])
    return getattr(made, attribute)
