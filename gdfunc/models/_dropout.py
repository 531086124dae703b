from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from ..init._common import check_number


def dropout(key: Array, x: Array, rate: Any) -> Array:
    r"""Units left out at random while training (Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, JMLR, <https://jmlr.org/papers/v15/srivastava14a.html>, section 10).

    $$y = \frac{m}{1 - p}\, x \qquad P(m = 1) = 1 - p$$

    What stays is divided by its chance of staying, so that the mean is x and nothing changes when the network is used.

    Args:
        key: of this call alone: two calls with one key leave out the same units.
        x: any shape; each entry has its own m.
        rate: p in [0, 1), the share that is left out. (The paper's p is the share that stays.)

    Returns:
        y, shaped as x.

    Raises:
        ValueError: where the rate leaves its range.
    """
    check_rate("dropout", "rate", rate)
    stays = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(stays, x / (1 - rate), 0).astype(x.dtype)


def check_rate(who: str, name: str, rate: Any) -> None:
    """Raises ValueError unless `rate` is a number in [0, 1); one being traced is let through."""
    check_number(who, name, rate, low=0, high=1)
    if not isinstance(rate, Tracer) and rate == 1:
        raise ValueError(f"{who} needs {name} < 1, and was given {name}={rate!r}: nothing would stay")
