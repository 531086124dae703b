"""`gdfunc rules`."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from ..core import Record
from ..report import catalogue, explain, page, text
from ..rules import get, record, records
from ._parse import settings


def show_rules(name: str, explained: bool, gradients: Sequence[float], hyper: Sequence[str], as_json: bool) -> int:
    """Prints the catalogue, a record or an explanation."""
    if not name:
        if explained:
            raise ValueError("--explain needs the name of a rule: gdfunc rules adam --explain")
        print(json.dumps({"schema": 1, "rules": [as_dict(r) for r in records().values()]}, indent=1)
              if as_json else text(catalogue(records(), "Update rules")))  # fmt: skip
        return 0
    known = record(name)
    if not explained:
        print(json.dumps({"schema": 1, **as_dict(known)}, indent=1) if as_json else text(*page(known)))
        return 0
    given = settings(hyper, "--hyper")
    fields = {field.name: field for field in dataclasses.fields(known.make)}  # pyright: ignore[reportArgumentType]
    if fields["learning_rate"].default is dataclasses.MISSING:
        given = {"learning_rate": 0.1, **given}
    made = explain(get(name, **given), gradients)
    print(json.dumps({"schema": 1, **_trace(made.trace)}, indent=1) if as_json else f"{known.formula}\n\n{made}")
    return 0


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
