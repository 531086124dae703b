"""`gdfunc parity`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ..core import write_atomically
from ..parity import CATALOGUES, Certificate, certify_all, names_of, versions
from ..report import deviations_page, parity, show, text


def show_parity(names: Sequence[str], everything: bool, quick: bool, jobs: int, out: Path | None, as_json: bool) -> int:
    """Certifies what `names` says and prints the table; 1 where something differs that no record expects."""
    words = ("rules", *CATALOGUES) if everything else names or ("rules",)
    chosen = list(dict.fromkeys(name for given in words for name in names_of(given)))
    certificates: list[Certificate] = []
    for certificate in certify_all(chosen, quick=quick, jobs=jobs or None):
        certificates.append(certificate)
        print(f"{certificate} ({len(certificates)} of {len(chosen)})", file=sys.stderr, flush=True)
    encoded = json.dumps({"schema": 1, "certificates": [c.as_dict() for c in certificates]}, indent=1)
    failed = [certificate.name for certificate in certificates if not certificate.passes]
    summary = (
        f"{len(certificates) - len(failed)} of {len(certificates)} as their records say"
        f"{': not ' + ', '.join(failed) if failed else ''}."
    )
    if as_json:
        print(encoded)
    else:
        show(parity(certificates), width=180)
        for certificate in certificates:
            for row in certificate.rows:
                if not row.passes:
                    print(f"{row.verdict}: {row.name} {dict(row.settings)} {row.layer} against {row.witness} in "
                          f"{row.mode}, {row.run}: {row.error:.3g} at {row.where} {row.deviation}")  # fmt: skip
        print(f"\n{summary}")
    if out is not None or everything:
        folder = out or Path("parity")
        with_versions = ", ".join(f"{name} {release}" for name, release in versions().items())
        page = f"{text(parity(certificates, box='MARKDOWN'), width=10_000)}\n\n{summary}\n\n{with_versions}\n"
        for path, content in ((folder / "parity.json", encoded), (folder / "parity.md", page)):
            write_atomically(path, lambda file, content=content: file.write(content.encode()))
            print(f"  {path}", file=sys.stderr)
    return 1 if failed else 0


def show_deviations(anything_else: object) -> int:
    """Prints the page of known differences."""
    if anything_else:
        raise ValueError("parity --deviations prints one page of all records, and takes no name and no other option")
    print(deviations_page(), end="")
    return 0
