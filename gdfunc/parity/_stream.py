"""The recorded gradients and parameters that every rule is given, so that two rules see the same numbers."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import objective

STEPS = 40


class Stream(NamedTuple):
    r"""What a rule is given at every step; leaf path -> float64 array (steps, ...).

    A rule that asks for more than a gradient is given the loss
    $f_t(q) = c_t + \langle g_t, q - p_t \rangle + \tfrac12 \sum_i h_{t,i} (q_i - p_{t,i})^2$, whose gradient at the parameters is $g_t$.
    The numbers are exact in float32, so that both precisions are given the same ones.

    Attributes:
        gradients: $g_t$.
        params: $p_t$, the parameters that the gradients were taken at.
        values: (steps,) $c_t > 0$, the losses.
        curvatures: $h_t$, the diagonal of the Hessian; one entry in ten is negative.
    """

    gradients: dict[str, np.ndarray]
    params: dict[str, np.ndarray]
    values: np.ndarray
    curvatures: dict[str, np.ndarray]

    @property
    def steps(self) -> int:
        return len(self.values)

    def first(self, steps: int) -> "Stream":
        """The stream's first steps."""
        head = lambda tree: {leaf: x[:steps] for leaf, x in tree.items()}  # noqa: E731
        return Stream(head(self.gradients), head(self.params), self.values[:steps], head(self.curvatures))

    def keys(self) -> Array:
        """(steps,) JAX keys, one a step."""
        return jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(jnp.arange(self.steps))


def extras(value: Any, g: Any, p: Any, h: Any, key: Any) -> dict[str, Any]:
    """What `train` gives a rule beyond gradients, for one step of a stream: the names that rules and Optax know."""

    def value_fn(q):
        parts = jax.tree.map(lambda g, p, h, q: jnp.sum(g * (q - p) + h * (q - p) ** 2 / 2), g, p, h, q)
        return value + sum(jax.tree.leaves(parts))

    def grad_fn(q):
        return jax.tree.map(lambda g, p, h, q: g + h * (q - p), g, p, h, q)

    # Four examples whose mean is the gradient.
    examples = jax.tree.map(lambda g: g * jnp.array([0.5, 1.5, -1.0, 3.0], g.dtype).reshape(4, *[1] * g.ndim), g)
    return {
        "value": value,
        "grad": g,
        "value_fn": objective(value_fn),
        "obj_fn": value_fn,
        "grad_fn": grad_fn,
        "key": key,
        "per_example_grads": examples,
    }


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
    gradients, params, curvatures = {}, {}, {}
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
    # Drawn last: the numbers above are those that other frameworks' updates were recorded on.
    for name, g in gradients.items():
        h = scales[name] * random.uniform(0.1, 2.0, g.shape) * np.where(random.random_sample(g.shape) < 0.1, -1, 1)
        curvatures[name] = h.astype(np.float32).astype(np.float64)
    values = 2 + np.cos(np.arange(steps) / 5) + 0.5 * random.random_sample(steps)
    return Stream(gradients, params, values.astype(np.float32).astype(np.float64), curvatures)
