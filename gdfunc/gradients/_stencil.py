"""Finite differences of a function of one number: the weights, and how far the result may be off."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..core import wide


class Stencil(NamedTuple):
    r"""A difference formula, $f'(0) \approx \frac1h \sum_i w_i f(i h)$.

    Attributes:
        order: the error of the formula is O(h**order).
        weights: i -> w_i.
        first: the nine points i h begin here.
    """

    order: int
    weights: dict[int, float]
    first: int = -4

    @property
    def nodes(self) -> np.ndarray:
        return self.first + np.arange(9)


STENCILS = {
    "forward": Stencil(1, {0: -1, 1: 1}, first=0),
    "central": Stencil(2, {-1: -1 / 2, 1: 1 / 2}),
    # (4 D(h) - D(2 h)) / 3, D the central one.
    "richardson": Stencil(4, {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}),
}


class Difference(NamedTuple):
    """A derivative found by a stencil; all of shape ().

    Attributes:
        value: the derivative.
        truncation: how far the formula is off, from what it gives with twice the step.
        noise: how far a value of the function is off by rounding, in units of f.
    """

    value: Any
    truncation: Any
    noise: Any


def values_at(f: Callable[[Array], Array], step: Array, stencil: Stencil) -> Array:
    """The nine values of f that a stencil may use, (9,), one after the other."""
    return wide(lax.map(lambda node: f(node * step), jnp.asarray(stencil.nodes, step.dtype)))


def difference(values: Any, step: Any, stencil: Stencil) -> Difference:
    """f'(0) by a stencil from its nine values, in JAX or in NumPy."""

    def with_step(multiple: int) -> Any:
        # Differences first: the weights sum to 0, and what the values share must not be rounded.
        parts = [
            w * (values[multiple * i - stencil.first] - values[-stencil.first]) for i, w in stencil.weights.items()
        ]
        return sum(parts[1:], start=parts[0]) / (multiple * step)

    value = with_step(1)
    return Difference(value, abs(with_step(2) - value) / (2**stencil.order - 1), noise(values))


def noise(values: Any, order: int = 6) -> Any:
    r"""How far values at equal distances are off by rounding (Moré & Wild 2011, SIAM J. Sci. Comput. 33(3), <https://doi.org/10.1137/100786125>).

    $$\sigma^2 = \binom{2k}{k}^{-1} \operatorname{mean}\, (\Delta^k f)^2$$

    The function's own k-th differences are O(h**k): of the sixth, below rounding for every step used here. To it comes one
    rounding of the largest value.
    """
    differences = values
    for _ in range(order):
        differences = differences[1:] - differences[:-1]
    measured = ((differences**2).mean() / math.comb(2 * order, order)) ** 0.5
    return measured + jnp.finfo(values.dtype).eps * abs(values).max()
