import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from ._common import Initialiser, Law, check_number, initialiser

# The standard deviation of a standard normal cut at +-2: sqrt(1 - 4 pdf(2) / (2 cdf(2) - 1)).
TRUNCATED_STD = 0.8796256610342398


def standard_normal(key, shape, dtype):
    """Mean 0, variance 1."""
    return jax.random.normal(key, shape, dtype)


def standard_uniform(key, shape, dtype):
    """Mean 0, variance 1: uniform on +-sqrt(3)."""
    return math.sqrt(3) * jax.random.uniform(key, shape, dtype, -1, 1)


def standard_truncated_normal(key, shape, dtype):
    """Mean 0, variance 1 after the cut: a normal cut at +-2 of its own standard deviations, widened."""
    return jax.random.truncated_normal(key, -2, 2, shape, dtype) / TRUNCATED_STD


def zeros() -> Initialiser:
    r"""All zeros, $w = 0$: for biases. Weights that start equal stay equal (Rumelhart, Hinton & Williams 1986, Nature)."""
    return constant(0.0)


def ones() -> Initialiser:
    """All ones, $w = 1$: for the scales of a normalisation."""
    return constant(1.0)


def constant(value: Any) -> Initialiser:
    r"""One value everywhere.

    $$w = c$$

    Args:
        value: c, in units of the parameter.

    Returns:
        `init(key, shape, dtype=float32)`; the key is not used.

    Raises:
        ValueError: where the value is not a finite number.
    """
    check_number("constant", "value", value)
    draw = lambda key, shape, dtype: jnp.full(shape, value, dtype)  # noqa: E731
    zero = not isinstance(value, Tracer) and value == 0
    return initialiser("constant", draw, law=Law(lambda shape: 0.0) if zero else None)


def normal(std: Any = 0.01) -> Initialiser:
    r"""Independent normal values.

    $$w \sim \mathcal N(0, \sigma^2)$$

    Args:
        std: sigma >= 0, in units of the parameter.

    Returns:
        `init(key, shape, dtype=float32)`.

    Raises:
        ValueError: where std is negative.
    """
    check_number("normal", "std", std, low=0)
    draw = lambda key, shape, dtype: std * standard_normal(key, shape, dtype)  # noqa: E731
    return initialiser("normal", draw, law=Law(lambda shape: std**2))


def truncated_normal(std: Any = 0.01) -> Initialiser:
    r"""Normal values cut at two standard deviations, with the standard deviation asked for after the cut.

    $$w = \frac{\sigma}{0.8796} z \qquad z \sim \mathcal N(0, 1) \text{ given } |z| < 2$$

    Args:
        std: sigma >= 0, in units of the parameter: the standard deviation of what is drawn, which reaches out to
            2.27 sigma. (`jax.nn.initializers.truncated_normal` and PyTorch's `trunc_normal_` take the standard deviation
            before the cut; with it every layer of a network loses 23 % of its variance.)

    Returns:
        `init(key, shape, dtype=float32)`.

    Raises:
        ValueError: where std is negative.
    """
    check_number("truncated_normal", "std", std, low=0)
    draw = lambda key, shape, dtype: std * standard_truncated_normal(key, shape, dtype)  # noqa: E731
    return initialiser("truncated_normal", draw, law=Law(lambda shape: std**2))


def uniform(low: Any = -0.01, high: Any = 0.01) -> Initialiser:
    r"""Independent uniform values.

    $$w \sim \mathcal U[a, b) \qquad \mathrm{std}(w) = (b - a) / \sqrt{12}$$

    Args:
        low: a, in units of the parameter.
        high: b >= a, in units of the parameter. (`jax.nn.initializers.uniform(scale)` draws from [0, scale).)

    Returns:
        `init(key, shape, dtype=float32)`.

    Raises:
        ValueError: where low > high.
    """
    check_number("uniform", "low", low)
    check_number("uniform", "high", high)
    if not isinstance(low, Tracer) and not isinstance(high, Tracer) and low > high:
        raise ValueError(f"uniform needs low <= high, and was given low={low!r} and high={high!r}")
    draw = lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, low, high)  # noqa: E731
    centred = not isinstance(low, Tracer) and not isinstance(high, Tracer) and low == -high
    return initialiser("uniform", draw, law=Law(lambda shape: high**2 / 3) if centred else None)
