"""Checks of the options that a person may get wrong."""

from collections.abc import Iterable
from typing import Any

import numpy as np


def whole(who: str, least: int, **given: Any) -> None:
    """Raises ValueError unless each named option is an integer of at least `least`."""
    for name, value in given.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise ValueError(f"{who} needs {name} to be a whole number >= {least}, and was given {name}={value!r}")


def number(who: str, least: float, most: float = np.inf, **given: Any) -> None:
    """Raises ValueError unless each named option is a finite real number in [least, most]."""
    for name, value in given.items():
        is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        if not is_number or not np.isfinite(value) or not least <= value <= most:
            bounds = f"{name} >= {least:g}" if most == np.inf else f"{least:g} <= {name} <= {most:g}"
            raise ValueError(f"{who} needs {bounds}, and was given {name}={value!r}")


def one_of(who: str, choices: Iterable[str], **given: Any) -> None:
    """Raises ValueError unless each named option is one of `choices`."""
    for name, value in given.items():
        if value not in (choices := tuple(choices)):
            raise ValueError(
                f"{who} needs {name} to be {' or '.join(map(repr, choices))}, and was given {name}={value!r}"
            )
