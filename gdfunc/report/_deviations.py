"""Where the other libraries part from the papers, as a page for those who would mend it."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core import Deviation, Record, Twin
from ..parity import CATALOGUES, MODES, in_words
from ..parity._functions import catalogue
from ..parity._translate_line import TITLES, NoEquivalent, call
from ..parity._translate_write import LINES
from ..parity._twins import load, settings_of

_NOTICED = 1e-4  # of the largest update: below it a difference is one of rounding, and no run shows it
_TESTS = "tests/parity/test_optax_defects.py"
_OWN = "gdfunc"
_ABOUT = """# Where other libraries differ

Made from the records by `gdfunc parity --deviations`; a test holds this page to them.

A size is a part of the largest update (of a schedule or a loss: of the largest value), on the stream of gradients that all
certificates share, and in brackets a number of rounding errors of the precision. "float32 (x64)" is float32 with JAX's 64-bit
types enabled. Where a line `gdfunc parity NAME` is given, a certificate expects the difference in this range, and calls it
"mended" and fails where it is smaller. All others are shown by a test, which fails likewise.
"""


class Known(NamedTuple):
    """A deviation, the record that it stands in, and the record's name as `gdfunc parity` takes it."""

    name: str
    record: Record
    deviation: Deviation


def deviations() -> list[Known]:
    """Every deviation of every record."""
    return [
        Known(name if folder == "rules" else f"{folder}.{name}", record, deviation)
        for folder in ("rules", *CATALOGUES)
        for name, record in catalogue(folder).items()
        for deviation in record.deviations
    ]


def certified(known: Known) -> Mapping[str, Any] | None:
    """The first of the record's settings at which a certificate shows the deviation; None where none does."""
    _, record, deviation = known
    twin = _twin(known)
    for settings in record.settings if deviation.sizes else ():
        given = settings_of(record.make, settings)
        possible = twin is None or not isinstance(twin.arguments(**given), str)
        if possible and all(given[name] == value for name, value in deviation.settings.items()):
            return settings
    return None


def deviations_page() -> str:
    """Every known deviation as Markdown: for each library its defects, twin by twin, and then what only rounds otherwise."""
    by_source: dict[str, list[Known]] = {}
    for known in deviations():
        by_source.setdefault(_source(known.deviation), []).append(known)
    titles = sorted(by_source, key=lambda title: (title == _OWN, title.lower()))
    return "\n".join([_ABOUT, *(_of_library(title, by_source[title]) for title in titles)])


def _source(deviation: Deviation) -> str:
    library, _, version = deviation.since.partition(" ")
    return f"{TITLES.get(library, library)} {version}" if version else _OWN


def _of_library(title: str, found: list[Known]) -> str:
    rounding = [known for known in found if _only_rounding(known.deviation)]
    twins: dict[str, list[Known]] = {}
    for known in found:
        if known not in rounding:
            twins.setdefault(known.deviation.twin, []).append(known)
    counted = f"{len(found) - len(rounding)} in {len(twins)} functions, and " if twins else ""
    parts = [f"## {title}\n", f"Differences: {counted}{len(rounding)} in rounding only.\n"]
    for twin in sorted(twins):
        parts += [f"### {twin}\n", *map(_section, twins[twin])]
    if rounding:
        parts.append(f"### {title}: rounding only\n")
        parts.append(_table(sorted(rounding, key=lambda known: (-_largest(known.deviation), known.deviation.twin))))
    return "\n".join(parts)


def _only_rounding(deviation: Deviation) -> bool:
    """Whether no run shows it. Our `debias="power"` rounds as Optax does, be it as coarse as it is."""
    rounds = _largest(deviation) < _NOTICED or deviation.settings.get("debias") == "power"
    return bool(deviation.sizes) and rounds


def _largest(deviation: Deviation) -> float:
    return max((most for _, most in _parts(deviation).values()), default=float("inf"))


def _parts(deviation: Deviation) -> dict[str, tuple[float, float]]:
    """The sizes as parts of the largest update."""
    eps = {mode.name: mode.eps for mode in MODES}
    return {mode: (least * eps[mode], most * eps[mode]) for mode, (least, most) in deviation.sizes.items()}


def _section(known: Known) -> str:
    deviation = known.deviation
    ours, theirs = _lines(known)
    facts = {
        "there": theirs,
        "here": ours,
        "size": _sizes(deviation),
        "since": f"{deviation.since}, or before",
        "thread": f"<{deviation.thread}>" if deviation.thread else "none known",
        "to see it": _seen_by(known),
    }
    lines = [f"- **{_escaped(deviation.what)}**", *(f"  - {name}: {fact}" for name, fact in facts.items() if fact)]
    return "\n".join(lines) + "\n"


def _escaped(words: str) -> str:
    return words.replace("*", "\\*").replace("|", "\\|")


def _table(rounding: list[Known]) -> str:
    columns = ("there", "here", "what", "size", "thread", "to see it")
    rows = [" | ".join(columns), " | ".join("---" for _ in columns)]
    for known in rounding:
        deviation = known.deviation
        ours, theirs = _lines(known)
        thread = f"<{deviation.thread}>" if deviation.thread else ""
        rows.append(" | ".join((theirs, ours, _escaped(deviation.what), _sizes(deviation), thread, _seen_by(known))))
    return "\n".join(f"| {row} |" for row in rows) + "\n"


def _sizes(deviation: Deviation) -> str:
    one = lambda mode, x: f"{x[0]:.2g} to {x[1]:.2g} ({deviation.sizes[mode][0]:.2g} to {deviation.sizes[mode][1]:.2g})"  # noqa: E731
    return ", ".join(f"{mode} {one(mode, x)}" for mode, x in _parts(deviation).items())


def _seen_by(known: Known) -> str:
    if certified(known) is not None:
        return f"`gdfunc parity {known.name}`"
    return f"`pytest {_TESTS} -k {known.deviation.twin}`"


def _twin(known: Known) -> Twin | None:
    return next((twin for twin in known.record.twins if twin.name == known.deviation.twin), None)


def _lines(known: Known) -> tuple[str, str]:
    """Our call at which it shows, empty where ours refuses it, and theirs."""
    name, record, deviation = known
    settings = certified(known)
    if settings is None:
        settings = {**record.settings[0], **deviation.settings}
    folder = name.rpartition(".")[0] or "rules"
    return _ours(folder, record, settings), _theirs(folder, record, _twin(known), deviation, settings)


def _ours(folder: str, record: Record, settings: Mapping[str, Any]) -> str:
    if not isinstance(record.make, type):
        return f"`{call(f'gd.{folder}.{record.make.__name__}', settings, LINES['gdfunc'])}`"
    try:
        return f"`{LINES['gdfunc'](record.make(**settings))}`"
    except ValueError:
        return ""


def _theirs(folder: str, record: Record, twin: Twin | None, deviation: Deviation, settings: Mapping[str, Any]) -> str:
    if twin is None:  # the paper
        return f"the paper, at {in_words(deviation.settings)}"
    arguments = twin.arguments(**settings_of(record.make, settings))
    if isinstance(arguments, str):
        return f"`{twin.name}`, where this has no equivalent: {arguments}"
    if twin.library == "optax" and not set(arguments) <= set(inspect.signature(load(twin.name)).parameters):
        return f"`{twin.name}`"  # what the record's own call takes
    if folder == "schedules" and twin.library == "torch":
        return f"`{LINES['torch'](record.make(**settings))}`"
    arguments = {name: x.item() if isinstance(x, np.generic) else x for name, x in arguments.items()}
    first = "params" if twin.name.startswith("torch.optim.") else ""
    return f"`{call(twin.name, arguments, partial(_inner, twin.library), first)}`"


def _inner(library: str, thing: Any) -> str:
    """A rule or schedule among the arguments: the library's own, or ours, which it takes as well."""
    try:
        return LINES[library](thing)
    except NoEquivalent:
        return LINES["gdfunc"](thing)
