"""What a certificate consists of, and how an error becomes a verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from ..core import Record
from ._compare import TOLERANCE
from ._recorded import VERSION as TORCH_VERSION


@dataclass(frozen=True)
class Row:
    """One comparison of a certificate.

    Attributes:
        name: the record's name.
        settings: the keyword arguments that leave the defaults.
        layer: "L0" against the paper's transcription, "L1" one step from the witness's own state, "L2" a free run.
        witness: "paper", "optax.adam", "torch.optim.Adam", ...
        mode: the precision.
        run: "jit" or "eager".
        error: in rounding errors of the leaf's largest update; for an ill-conditioned rule in units of what one
            rounding of the gradients does to the rule itself.
        amplification: that unit, in rounding errors; 1 for all other rules.
        verdict: "agrees", "expected" (a deviation that the record knows, of the size it knows), "mended" (a deviation
            that has gone: the record is out of date) or "mismatch".
        where: the first step, leaf and entry at which they part.
        deviation: the known difference, in words.
    """

    name: str
    settings: Mapping[str, Any]
    layer: str
    witness: str
    mode: str
    run: str
    error: float
    verdict: str
    where: str = ""
    deviation: str = ""
    amplification: float = 1.0

    @property
    def passes(self) -> bool:
        """Whether nothing unexpected was seen."""
        return self.verdict in ("agrees", "expected")


@dataclass(frozen=True)
class Certificate:
    """Every comparison of one record, and the versions it was made with."""

    name: str
    rows: tuple[Row, ...]
    without: Mapping[str, str]  # what could not be compared, and why
    versions: Mapping[str, str]

    @property
    def passes(self) -> bool:
        """Whether no row shows a mismatch that no record expects; never for want of rows."""
        return bool(self.rows) and all(row.passes for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "schema": 1,
            "name": self.name,
            "passes": self.passes,
            "versions": dict(self.versions),
            "without": dict(self.without),
            "rows": [asdict(row) for row in self.rows],
        }

    def __str__(self) -> str:
        worst = max((row.error for row in self.rows if row.verdict == "agrees"), default=0.0)
        counts = {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in VERDICTS}
        shown = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
        return f"{self.name}: {shown}; agreement to {worst:.2g} rounding errors"


VERDICTS = ("agrees", "expected", "mended", "mismatch")


def versions() -> dict[str, str]:
    """The releases that a certificate speaks of."""
    found = {name: metadata.version(name) for name in ("gdfunc", "jax", "jaxlib", "optax", "numpy")}
    return {**found, "torch": f"{TORCH_VERSION} (recorded)"}


def in_words(given: Mapping[str, Any]) -> str:
    """Settings as one writes them in a call."""
    return ", ".join(f"{name}={value!r}" for name, value in given.items()) or "defaults"


def judge(
    known: Record, given: Mapping[str, Any], witness: str, mode: str, error: float, whole: bool = True
) -> tuple[str, str]:
    """The verdict on an error, given the deviations that the record expects of this witness at these settings.

    On a part of the stream, `whole=False`, a deviation need not show yet.
    """
    for deviation in known.deviations:
        applies = all(given.get(name) == value for name, value in deviation.settings.items())
        if deviation.twin == witness and applies and mode in deviation.sizes:
            least, most = deviation.sizes[mode]
            if not whole and error < least:
                return ("agrees" if error <= TOLERANCE else "expected"), deviation.what
            verdict = "expected" if least <= error <= most else "mended" if error < least else "mismatch"
            return verdict, deviation.what
    return ("agrees" if error <= TOLERANCE else "mismatch"), ""
