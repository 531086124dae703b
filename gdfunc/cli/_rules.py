"""`gdfunc rules`."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from ..core import Record, Rule
from ..report import catalogue, explain, page, show
from ..rules import get, record, records
from ._parse import settings


def show_rules(name: str, explained: bool, gradients: Sequence[float], hyper: Sequence[str], as_json: bool) -> int:
    """Prints the catalogue, a record or an explanation."""
    if not name:
        if explained:
            raise ValueError("--explain needs the name of a rule: gdfunc rules adam --explain")
        answer, parts = (
            {"rules": [as_dict(known) for known in records().values()]},
            [catalogue(records(), "Update rules")],
        )
    elif explained:
        made = explain(with_rate(name, settings(hyper, "--hyper")), gradients)
        answer, parts = _trace(made.trace), [f"{record(name).formula}\n", *made.parts()]
    else:
        answer, parts = as_dict(record(name)), page(record(name))
    if as_json:
        print(json.dumps({"schema": 1, **answer}, indent=1, default=repr))
    else:
        show(*parts)
    return 0


def with_rate(name: str, hyper: dict[str, Any]) -> Rule:
    """The rule with these hyperparameters; what it needs and is not given, as in its record, and a rate of 0.1."""
    known = record(name)
    needed = {f.name for f in dataclasses.fields(known.make) if f.default is dataclasses.MISSING}  # pyright: ignore[reportArgumentType]
    usual = {**known.settings[0], "learning_rate": 0.1}
    return get(name, **{**{field: usual[field] for field in needed}, **hyper})


def as_dict(known: Record) -> dict[str, Any]:
    """A record as plain data."""
    return {
        "name": known.name,
        "family": known.family,
        "summary": known.summary,
        "formula": known.formula,
        "arguments": known.arguments,
        "papers": [dataclasses.asdict(paper) for paper in known.papers],
        "twins": [{"name": twin.name, "note": twin.note} for twin in known.twins],
        "no_twin": dict(known.no_twin),
        "deviations": [{**dataclasses.asdict(d), "settings": dict(d.settings)} for d in known.deviations],
    }


def _trace(trace: Any) -> dict[str, Any]:
    plain = lambda values: {name: x.tolist() for name, x in values.items()}  # noqa: E731
    return {
        "rule": repr(trace.rule),
        "twin": trace.twin_name or None,
        "why_no_twin": trace.why_no_twin,
        "steps": [
            {"t": s.t, "gradient": s.gradient.tolist(), "quantities": plain(s.quantities), "twin": plain(s.twin)}
            for s in trace.steps
        ],
    }
