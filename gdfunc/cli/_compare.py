"""`gdfunc compare`."""

import json
from collections.abc import Sequence
from typing import Any

from .. import rules
from ..parity import Recording, compare
from ._own import own
from ._parse import settings


def show_comparison(
    words: Sequence[str], precision: str | None, steps: int, seed: int, tolerance: float, quick: bool, as_json: bool
) -> int:
    """Compares the two that `words` name and prints where they part, and why; 1 where they do."""
    (one, first), (two, second) = two_of(words)
    names = tuple(f"{a} {' '.join(given)}".strip() for a, given in ((one, first), (two, second)))
    seen = compare(
        thing(one, first),
        thing(two, second),
        precision=precision,
        steps=steps,
        seed=seed,
        tolerance=tolerance,
        names=(names[0], names[1]),
        explain=not quick,
    )
    print(json.dumps(seen.as_dict(), indent=1) if as_json else seen)
    return 0 if seen.agrees else 1


def two_of(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """`adam learning_rate=1e-3 optax.adam learning_rate=1e-3` as two names with their settings."""
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if "=" not in word or word.endswith(".npz"):
            found.append((word, []))
        elif found:
            found[-1][1].append(word)
        else:
            raise ValueError(f"compare needs a name before its settings, and was given {word!r}")
    if len(found) != 2:
        raise ValueError(
            f"compare needs two names, each before its settings, and was given {' '.join(words) or 'none'}"
        )
    return found


def thing(name: str, given: Sequence[str]) -> Any:
    """A rule by its name, a recording by its file, or what a dotted function (`optax.adam`, `my_module.rule`) makes."""
    hyper = settings(given, f"compare {name}")
    if name.endswith(".npz"):
        if hyper:
            raise ValueError(f"compare needs no settings for a recording, and was given {' '.join(given)} for {name}")
        return Recording.load(name)
    if "." not in name:
        return rules.get(name, **hyper)
    if name.partition(".")[0] == "torch":
        raise ValueError(f"compare needs a recording of {name}: gdfunc.parity.Recording saves one as .npz")
    make = own("compare", name)
    try:
        return make(**hyper)
    except TypeError as error:
        raise ValueError(f"{name} needs other settings: {error}") from error
