"""Time of one compiled update over Optax's: paired and interleaved in one process, the median of the ratios."""

import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdfunc.core import apply_updates

from .cost import pairs


def compiled(transformation: Any, params: Any) -> Any:
    def steps(params, state):
        def body(carry, _):
            params, state = carry
            updates, state = transformation.update(params, state, params)
            return (apply_updates(params, updates), state), None

        return jax.lax.scan(body, (params, state), length=20)[0]

    run = jax.jit(steps)
    state = transformation.init(params)
    jax.block_until_ready(run(params, state))
    return lambda: jax.block_until_ready(run(params, state))


def rows(quick: bool = False) -> Iterator[dict[str, Any]]:
    params = {f"layer_{i}": jnp.ones((256, 256)) for i in range(10)}
    for name, ours, theirs in pairs():
        mine, peer, ratios = compiled(ours, params), compiled(theirs, params), []
        for _ in range(5 if quick else 25):
            seconds = []
            for run in (mine, peer):
                start = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - start)
            ratios.append(seconds[0] / seconds[1])
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        yield {"what": name, "time over Optax's": middle, "quartiles": f"{low:.2f} to {high:.2f}"}
