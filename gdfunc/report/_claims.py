"""Claims: a prediction, a measurement and a verdict."""

from dataclasses import dataclass
from typing import Any, Literal

from ._numbers import number
from ._tables import show, table


@dataclass(frozen=True)
class Claim:
    """One line of an experiment's table.

    Attributes:
        what: the claim, in words.
        predicted: the published or derived number.
        measured: what came out.
        tolerance: how far apart they may be.
        kind: "relative": |measured / predicted - 1| <= tolerance; "absolute": |measured - predicted| <= tolerance;
            "at_most" / "at_least": measured <= / >= predicted, with no tolerance.
        source: where the prediction comes from.
    """

    what: str
    predicted: float
    measured: float
    tolerance: float
    kind: Literal["relative", "absolute", "at_most", "at_least"]
    source: str

    @property
    def holds(self) -> bool:
        """Whether the measurement is within the tolerance; NaN never is."""
        p, m = float(self.predicted), float(self.measured)
        match self.kind:
            case "relative":
                return bool(abs(m - p) <= self.tolerance * abs(p))
            case "absolute":
                return bool(abs(m - p) <= self.tolerance)
            case "at_most":
                return bool(m <= p)
            case "at_least":
                return bool(m >= p)

    @property
    def cells(self) -> tuple[str, ...]:
        sign = {"at_most": "<= ", "at_least": ">= "}.get(self.kind, "")
        tolerance = {"relative": f"{self.tolerance:.2g} rel.", "absolute": f"{self.tolerance:.2g} abs."}.get(
            self.kind, "-"
        )
        verdict = "holds" if self.holds else "FAILS"
        return self.what, sign + number(self.predicted), number(self.measured), tolerance, verdict, self.source


def show_claims(record: dict[str, Any]) -> None:
    """A record's claims, as a table in the terminal."""
    claims = claims_of(record)
    columns = ("claim", "predicted", "measured", "tolerance", "verdict", "source")
    show(table(record["experiment"].replace("_", " "), columns, [claim.cells for claim in claims]), width=160)
    held = sum(claim.holds for claim in claims)
    print(f"\n{held} of {len(claims)} claims hold{', with one thing broken on purpose' if record['mutate'] else ''}.")


def claims_of(record: dict[str, Any]) -> list[Claim]:
    """The claims of a record."""
    return [
        Claim(c["what"], float(c["predicted"]), float(c["measured"]), c["tolerance"], c["kind"], c["source"])
        for c in record["claims"]
    ]
