"""The recorded gradients and parameters that every rule is given, so that two rules see the same numbers."""

from typing import NamedTuple

import numpy as np

STEPS = 40


class Stream(NamedTuple):
    """Gradients and the parameters they were taken at, leaf path -> float64 array (steps, ...).

    The numbers are exact in float32, so that both precisions are given the same ones.
    """

    gradients: dict[str, np.ndarray]
    params: dict[str, np.ndarray]

    @property
    def steps(self) -> int:
        return len(next(iter(self.gradients.values())))


def stream(seed: int = 0, steps: int = STEPS) -> Stream:
    """A stream that is hard where rules differ: scales from 1e-3 to 10, exact zeros, signs that stay and signs that turn.

    Three leaves, a matrix, a vector and a scalar. A gradient is a slow wave plus noise, so that signs persist for a while;
    a tenth of the entries are zero, and so is the whole of step 7. Parameters are small, so that a decay is
    not lost in their rounding.

    Args:
        seed: another seed, another stream; the default is the one that other frameworks' updates were recorded on.
        steps: its length.

    Returns:
        The stream.
    """
    random = np.random.RandomState(seed)  # RandomState's numbers never change between NumPy versions
    shapes, scales = {"matrix": (4, 3), "scalar": (), "vector": (5,)}, {"matrix": 1.0, "scalar": 10.0, "vector": 1e-3}
    gradients, params = {}, {}
    for name, shape in shapes.items():
        time = np.arange(steps).reshape(steps, *(1 for _ in shape))
        wave = np.cos(time / 3 + 6 * random.random_sample(shape))
        g = scales[name] * (wave + 0.5 * random.standard_normal((steps, *shape)))
        g[random.random_sample(g.shape) < 0.1] = 0.0
        if steps > 7:
            g[6] = 0.0
        gradients[name] = g.astype(np.float32).astype(np.float64)
        p = 1e-3 * np.cumsum(random.standard_normal((steps, *shape)), axis=0)
        params[name] = p.astype(np.float32).astype(np.float64)
    return Stream(gradients, params)
