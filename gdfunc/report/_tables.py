"""Tables for the terminal, by rich; plain text where the output is no terminal."""

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core import Record, need
from ..parity import in_words
from ._numbers import number


def text(*renderables: Any, width: int = 120) -> str:
    """Rich renderables as plain text without colour."""
    console = need("rich.console").Console(file=io.StringIO(), width=width, no_color=True, highlight=False)
    for each in renderables:
        console.print(each)
    lines = (line.rstrip() for line in console.file.getvalue().splitlines())
    return "\n".join(lines).strip("\n")


def show(*renderables: Any, width: int = 120) -> None:
    """Prints renderables: in the terminal's width and colours, or as plain text of `width` where stdout is no terminal."""
    if sys.stdout.isatty():
        need("rich.console").Console(highlight=False).print(*renderables, sep="\n")
    else:
        print(text(*renderables, width=width))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", box: str = "SIMPLE_HEAD"
) -> Any:
    """A rich table of strings under its title, in one of rich's boxes; nothing in them is taken for markup."""
    from_text = need("rich.text").Text
    made = need("rich.table").Table(box=getattr(need("rich.box"), box))
    for i, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=i == 0)
    for row in rows:
        made.add_row(*(from_text(cell) for cell in row))
    parts = [from_text(title, style="bold"), made, *([from_text(caption, style="italic")] if caption else [])]
    return need("rich.console").Group(*parts)


def catalogue(records: Mapping[str, Record], title: str) -> Any:
    """One line a record: name, source, twins, known differences."""
    rows = []
    for name, record in records.items():
        paper = record.papers[0] if record.papers else None
        source = f"{paper.authors} {paper.year}" if paper else ""
        twins = ", ".join(dict.fromkeys(twin.name for twin in record.twins)) or "none"
        rows.append((name, record.family, source, twins, str(len(record.deviations) or "")))
    return table(title, ("name", "family", "source", "twins", "known differences"), rows)


def page(record: Record) -> list[Any]:
    """One record in full: summary, formula, arguments with units, twins, known differences."""
    from_text = need("rich.text").Text
    parts: list[Any] = [from_text(record.summary, style="bold"), from_text(f"\n{record.formula}\n")]
    parts.append(table("Arguments", ("name", "meaning"), record.arguments.items()))
    twins = [(twin.name, twin.note) for twin in record.twins]
    twins += [(library, f"none: {why}") for library, why in record.no_twin.items()]
    parts.append(table("Twins", ("name", "what to know"), twins))
    if record.deviations:
        rows = [(d.twin, d.since, in_words(d.settings), d.what, d.thread) for d in record.deviations]
        parts.append(table("Known differences", ("twin", "since", "at", "what", "thread"), rows))
    parts.append(table("Sources", ("source",), [(str(paper),) for paper in record.papers]))
    return parts


def parity(certificates: Iterable[Any], box: str = "SIMPLE_HEAD") -> Any:
    """One line a record and witness: the worst agreement, and what deviates as expected or not."""
    rows = []
    for certificate in certificates:
        for witness in dict.fromkeys(row.witness for row in certificate.rows):
            mine = [row for row in certificate.rows if row.witness == witness]
            cells = []
            for mode in dict.fromkeys(row.mode for row in mine):
                errors = [row.error for row in mine if row.mode == mode and row.verdict == "agrees"]
                cells.append(f"{max(errors):.2g}" if errors else "-")
            others = [row for row in mine if row.verdict != "agrees"]
            found = dict.fromkeys((row.verdict, row.deviation or row.where) for row in others)
            size = {key: max(r.error for r in others if (r.verdict, r.deviation or r.where) == key) for key in found}
            notes = "; ".join(f"{verdict} ({size[verdict, why]:.2g}): {why}" for verdict, why in found)
            verdict = "FAILS" if not all(row.passes for row in mine) else "expected" if others else "agrees"
            rows.append((certificate.name, witness, str(len(mine)), *cells, verdict, notes))
    caption = "Errors in rounding errors of the leaf's largest update, the worst among the comparisons that agree."
    columns = ("name", "witness", "compared", "float32", "float32 (x64)", "float64", "verdict", "known differences")
    return table("Parity", columns, rows, caption, box)


def rows_of(trace: Any) -> list[tuple[str, ...]]:
    """The cells of an explanation: a row a quantity, a column a step; the twin's value beneath ours."""
    names = list(dict.fromkeys(name for step in trace.steps for name in step.quantities))
    rows = [("g", *(number(step.gradient) for step in trace.steps))]
    for name in names:
        rows.append((name, *(number(step.quantities[name]) for step in trace.steps)))
        if any(name in step.twin for step in trace.steps):
            theirs = f"{trace.twin_name} {trace.twin_fields.get(name, '')}".strip()
            rows.append((f"  {theirs}", *(number(step.twin[name]) for step in trace.steps)))
    return rows
