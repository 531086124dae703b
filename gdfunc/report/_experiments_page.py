"""Many experiments as one page: a row for every claim, with its experiment's picture."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core import need
from ._claims import claims_of

_PAGE = Path(__file__).parent / "_page"


def experiments_page(records: Sequence[dict[str, Any]], folder: str | os.PathLike) -> str:
    """The claims of many experiments as one self-contained page of HTML: what was predicted, what was measured, whether it holds.

    Args:
        records: of `experiment`, in the page's order; one of an experiment that broke off has `error`, a sentence, and no claims.
        folder: where each experiment's folder lies, by its name, with its pictures.

    Returns:
        The page; links go to the folders' records and pictures.

    Raises:
        MissingExtra: where jinja2 or matplotlib is not installed.
    """
    jinja2 = need("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    shown = [
        {
            **record,
            "title": record["experiment"].replace("_", " "),
            "rows": [claim.cells for claim in claims_of(record)],
            "small": _small(Path(folder) / record["experiment"], record["pictures"]),
        }
        for record in records
    ]
    count = [claim for record in records for claim in record["claims"]]
    return environment.get_template("experiments.html.j2").render(
        experiments=shown,
        claims=len(count),
        held=sum(claim["holds"] for claim in count),
        seconds=round(sum(record["seconds"] for record in records)),
        versions=records[0]["versions"] if records else {},
        style=(_PAGE / "style.css").read_text(),
    )


def _small(folder: Path, pictures: Sequence[str]) -> str:
    """The first picture at half its size, as the address of an image; "" where there is none."""
    found = next((folder / name for name in pictures if name.endswith(".png") and (folder / name).exists()), None)
    if found is None:
        return ""
    half = io.BytesIO()
    need("matplotlib.image").thumbnail(str(found), half, scale=0.5, interpolation="lanczos")
    return "data:image/png;base64," + base64.b64encode(half.getvalue()).decode()
