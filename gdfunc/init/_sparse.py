import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ._common import Initialiser, check_number, initialiser


def sparse(sparsity: float, std: Any = 0.01) -> Initialiser:
    r"""Every unit listens to a few random inputs only (Martens 2010, ICML, section 5, Deep learning via Hessian-free optimization).

    $$w_{ij} \sim \mathcal N(0, \sigma^2) \text{ except } \lceil s\, n_{in} \rceil \text{ zeros in every column } j$$

    Args:
        sparsity: s in [0, 1], the share of zeros among the weights into a unit, a column of (in, out). (PyTorch's
            `sparse_` also thins out columns, but of (out, in): the weights out of one input.)
        std: sigma >= 0, in units of the parameter; 0.01 is PyTorch's, 1 (with 15 non-zeros) the paper's.

    Returns:
        `init(key, shape, dtype=float32)` for two dimensions.

    Raises:
        ValueError: where an argument leaves its range; from `init` unless the shape has two dimensions.
    """
    if isinstance(sparsity, Tracer):
        raise ValueError("sparse needs a sparsity that is known when traced: it counts zeros; vary std instead")
    check_number("sparse", "sparsity", sparsity, low=0, high=1)
    check_number("sparse", "std", std, low=0)

    def draw(key, shape, dtype):
        values_key, places_key = jax.random.split(key)
        rows, _ = shape
        zeros = math.ceil(sparsity * rows - 1e-9)  # 0.07 * 100 is 7.000000000000001
        ranks = jnp.broadcast_to(jnp.arange(rows)[:, None], shape)
        ranks = jax.random.permutation(places_key, ranks, axis=0, independent=True)
        return jnp.where(ranks < zeros, 0, std * jax.random.normal(values_key, shape, dtype))

    return initialiser("sparse", draw, dimensions=(2, 2))
