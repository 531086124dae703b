"""`gdfunc port`."""

import json

from ..parity import port, to_gdfunc


def show_port(text: str, to: str, as_json: bool) -> int:
    """Prints the line, gdfunc's own and what to know; 1 where there is no equivalent."""
    found = port(text, to=to)
    ours = None if found.rule is None else to_gdfunc(found.rule).code
    if as_json:
        answer = {"text": text, "to": to, "code": found.code, "gdfunc": ours, "note": found.note}
        print(json.dumps({"schema": 1, **answer}, indent=1))
    else:
        lines = [found.code, ours if to != "gdfunc" else None, found.note]
        print("\n\n".join(filter(None, lines)))
    return 0 if found.code else 1
