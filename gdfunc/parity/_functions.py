"""Certificates of schedules, losses, initialisers and clippings: values against the paper's formula and every twin."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Record, did_you_mean
from ..rules import records as rule_records
from ._compare import difference
from ._modes import MODES, Mode
from ._recorded import key, recorded
from ._rows import Certificate, Row, in_words, judge, versions
from ._twins import load, settings_of

CATALOGUES = ("schedules", "losses", "init", "clipping")


def catalogue(folder: str) -> dict[str, Record]:
    """The records of one folder of the package.

    Raises:
        ValueError: where there is no such catalogue.
    """
    if folder not in ("rules", *CATALOGUES):
        raise did_you_mean("parity", folder, ["rules", *CATALOGUES])
    return import_module(f"gdfunc.{folder}").records()


def names_of(word: str) -> list[str]:
    """What one word of a command means: `rules`, `losses`: all of them; `losses.huber`, `adam`: that one.

    Raises:
        ValueError: with the nearest names, where there is no such thing.
    """
    if word == "rules":
        return list(rule_records())
    if word in CATALOGUES:
        return [f"{word}.{name}" for name in catalogue(word)]
    folder, dot, name = word.rpartition(".")
    if dot and name not in catalogue(folder):
        raise did_you_mean(folder, name, catalogue(folder))
    if not dot and word not in rule_records():
        raise did_you_mean("parity", word, [*rule_records(), "rules", *CATALOGUES])
    return [word]


def certify_function(folder: str, known: Record) -> Certificate:
    """Values at every setting of the record, in three precisions, run eagerly and, where all arguments are arrays, jitted."""
    rows: list[Row] = []
    without = dict(known.no_twin)
    for settings in known.settings:
        everything = settings_of(known.make, settings)
        for mode in MODES:
            example = example_of(known, mode)
            witnesses: dict[str, Any] = {}
            with mode():
                if known.transcription is not None:
                    witnesses["paper"] = known.transcription(*example, **settings)
                for twin in known.twins:
                    arguments = twin.arguments(**everything)
                    if isinstance(arguments, str):
                        without[f"{in_words(settings)} in {twin.name}"] = arguments
                    elif twin.library == "torch":
                        found = recorded(key(folder, known.name, twin.name, settings, mode.dtype))
                        if found is not None:
                            witnesses[twin.name] = found[""] if set(found) == {""} else found
                    else:
                        call = twin.call or (lambda twin, *ex, **kw: default_call(known, twin, kw, ex))
                        witnesses[twin.name] = call(load(twin.name), *arrays(example), **arguments)
                for run, mine in ours(known, settings, example).items():
                    for witness, theirs in witnesses.items():
                        rows.append(_row(folder, known, settings, everything, mode, run, witness, mine, theirs))
    return Certificate(f"{folder}.{known.name}", tuple(rows), without, versions())


def example_of(known: Record, mode: Mode) -> tuple:
    """The record's positional arguments in one precision: the same numbers each time."""
    assert known.example is not None, f"the record of {known.name} needs an example"
    with mode():
        return known.example(np.random.default_rng(0), np.dtype(mode.dtype))


def arrays(example: tuple) -> tuple:
    """NumPy's arrays as JAX's; keys, shapes and dtypes as they are."""
    return jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, example)


def default_call(known: Record, function: Any, settings: Mapping[str, Any], example: tuple) -> Any:
    """Calls ours, or a twin that is called alike."""
    if known.apply is not None:
        return known.apply(function(**settings) if known.curried else partial(function, **settings), *example)
    return function(**settings)(*example) if known.curried else function(*example, **settings)


def ours(known: Record, settings: Mapping[str, Any], example: tuple) -> dict[str, Any]:
    """Our value, eagerly and, where every argument is an array, compiled."""
    values = {"eager": default_call(known, known.make, settings, arrays(example))}
    if all(isinstance(x, np.ndarray) for x in jax.tree.leaves(example)):
        values["jit"] = jax.jit(lambda *ex: default_call(known, known.make, settings, ex))(*arrays(example))
    return values


def _row(folder, known, settings, everything, mode, run, witness, mine, theirs) -> Row:
    flat = lambda x: {  # noqa: E731
        jax.tree_util.keystr(path, simple=True, separator="/") or "value": np.asarray(leaf)[None]
        for path, leaf in jax.tree_util.tree_leaves_with_path(x)
    }
    a, b = flat(mine), {name: x.astype(mode.dtype) for name, x in flat(theirs).items()}
    a = {name: x.astype(mode.dtype) if x.dtype.kind in "iub" else x for name, x in a.items()}
    if known.curried and folder == "schedules":  # a schedule's values are float32 unless told otherwise
        a = {name: x.astype(mode.dtype) for name, x in a.items()}
    seen = difference(a, b, mode, names=(known.name, witness))
    verdict, words = judge(known, everything, witness, mode.name, seen.error)
    return Row(
        name=f"{folder}.{known.name}",
        settings={name: str(value) for name, value in settings.items()},
        layer="L0" if witness == "paper" else "value",
        witness=witness,
        mode=mode.name,
        run=run,
        error=seen.error,
        verdict=verdict,
        where=seen.why or ("" if seen.step is None else f"{seen.leaf}{list(seen.index or ())}"),
        deviation=words,
    )
