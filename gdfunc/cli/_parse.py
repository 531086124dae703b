"""NAME=VALUE words of the command line."""

import ast
from collections.abc import Iterable, Sequence
from typing import Any


def settings(words: Iterable[str], option: str) -> dict[str, Any]:
    """`b1=0.8 nesterov=True eps_at=inside` as a dictionary; a value that is no Python literal is a word.

    Raises:
        ValueError: naming the word that has no `=`.
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"{option} needs NAME=VALUE, and was given {word!r}")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def named(words: Sequence[str], option: str) -> tuple[str, dict[str, Any]]:
    """`adam learning_rate=1e-3` as (name, settings).

    Raises:
        ValueError: where the name is missing.
    """
    if not words or "=" in words[0]:
        raise ValueError(f"{option} needs a name before its settings, and was given {' '.join(words) or 'nothing'}")
    return words[0], settings(words[1:], option)
