"""What `import gdfunc` costs over `import jax, optax`: CPU seconds of fresh interpreters, interleaved, the least of each."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

PEER = "import jax, optax"
OURS = {
    "import gdfunc": "import jax, optax; import gdfunc",
    "everything in gdfunc": "import jax, optax; import gdfunc; [getattr(gdfunc, name) for name in gdfunc.__all__]",
}


def cpu_seconds(code: str) -> float:
    """User and system time of a fresh interpreter that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rows(quick: bool = False) -> Iterator[dict[str, Any]]:
    times: dict[str, list[float]] = {code: [] for code in (PEER, *OURS.values())}
    for _ in range(3 if quick else 9):
        for code, measured in times.items():
            measured.append(cpu_seconds(code))
    for name, code in OURS.items():
        yield {"what": name, "CPU over import jax, optax": min(times[code]) / min(times[PEER])}
