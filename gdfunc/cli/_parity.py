"""`gdfunc parity`."""

import json
import sys
from collections.abc import Sequence

from ..parity import certify, names_of
from ..report import parity, show


def show_parity(names: Sequence[str], quick: bool, as_json: bool) -> int:
    """Certifies what `names` says and prints the table; 1 where something differs that no record expects."""
    chosen = list(dict.fromkeys(name for given in names or ("rules",) for name in names_of(given)))
    certificates = []
    for i, name in enumerate(chosen, 1):
        print(f"{name} ({i} of {len(chosen)})", file=sys.stderr, flush=True)
        certificates.append(certify(name, quick=quick))
    if as_json:
        print(json.dumps({"schema": 1, "certificates": [c.as_dict() for c in certificates]}, indent=1))
    else:
        show(parity(certificates), width=180)
        for certificate in certificates:
            for row in certificate.rows:
                if not row.passes:
                    print(f"{row.verdict}: {row.name} {dict(row.settings)} {row.layer} against {row.witness} in "
                          f"{row.mode}, {row.run}: {row.error:.3g} at {row.where} {row.deviation}")  # fmt: skip
        failed = [certificate.name for certificate in certificates if not certificate.passes]
        print(f"\n{len(certificates) - len(failed)} of {len(certificates)} as their records say"
              f"{': not ' + ', '.join(failed) if failed else ''}.")  # fmt: skip
    return 0 if all(certificate.passes for certificate in certificates) else 1
