"""A parameter whose gradient is a product of two arrays: its norm needs no gradient."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..core import wide
from ._program import Ref
from ._run import Probe


class End(NamedTuple):
    """A value that goes into an operation or comes out.

    Attributes:
        ref: which.
        aval: its shape and dtype.
        axis: that holds the examples; -1 where there is one alone.
    """

    ref: Ref
    aval: Any
    axis: int

    @property
    def alone(self) -> jax.ShapeDtypeStruct:
        """Its shape and dtype for one example."""
        shape = [1 if i == self.axis else size for i, size in enumerate(self.aval.shape)]
        return jax.ShapeDtypeStruct(tuple(shape), self.aval.dtype)

    def probe(self, lengths: tuple[int, ...]) -> Probe:
        return Probe(self.ref, _same, _same, self.aval, lengths)


class Product(NamedTuple):
    """Z = A W with a parameter W: its gradient's norm from A and delta = dL/dZ.

    A convolution is the sum of one such product for each place of its window, whose W and A are its own.

    Attributes:
        a: the value that A is taken from.
        z: Z.
        lengths: of the scans around it, from the outermost; each of their turns has a W of its own.
        rows: value of `a` -> (place -> A as (batch, positions, features)), where W too has the axes of the batch.
        given: delta -> (batch, positions, features).
        places: (k, axes), of a convolution's window; otherwise k = 1, and no axes.
    """

    a: End
    z: End
    lengths: tuple[int, ...]
    rows: Callable[[Array], Callable[[Array], Array]]
    given: Callable[[Array], Array]
    places: np.ndarray

    @property
    def cheaper(self) -> bool:
        """Whether the Gram matrices take fewer multiplications than the gradient.

        Where they do not, the gradient is no larger than A and delta together.
        """
        positions, summed = jax.eval_shape(lambda a: self.rows(a)(self.places[0]), self.a.alone).shape[1:]
        given, summed = jax.eval_shape(self.given, self.z.alone).shape[2], summed * len(self.places)
        return positions * (summed + given) < summed * given

    def probes(self) -> dict[Ref, Probe]:
        return {end.ref: end.probe(self.lengths) for end in (self.a, self.z)}

    def squared_norm(self, measured: dict[Ref, Any]) -> Array:
        return self._over_turns(measured[self.a.ref][0], measured[self.z.ref][1])

    def squared_norms(self, measured: dict[Ref, Any]) -> Array:
        """Of each example's gradient, (n,)."""
        alone = lambda x, end: x[tuple([slice(None)] * (len(self.lengths) + end.axis) + [None])]  # noqa: E731
        along = tuple(len(self.lengths) + end.axis for end in (self.a, self.z))
        each = jax.vmap(lambda a, delta: self._over_turns(alone(a, self.a), alone(delta, self.z)), along)
        return each(measured[self.a.ref][0], measured[self.z.ref][1])

    def _over_turns(self, a: Array, delta: Array) -> Array:
        turns = lambda x: x.reshape(math.prod(self.lengths), *x.shape[len(self.lengths) :])  # noqa: E731
        squares = jax.vmap(self._from_gram if self.cheaper else self._from_gradient)(turns(a), turns(delta))
        return jnp.maximum(jnp.sum(squares), 0)  # rounding may take what is all but 0 below it

    def _from_gram(self, a: Array, delta: Array) -> Array:
        return jnp.sum(_gram(lax.map(self.rows(wide(a)), self.places)) * _gram(self.given(wide(delta))[None]))

    def _from_gradient(self, a: Array, delta: Array) -> Array:
        """The gradient of one place of the window after the other, none of which is kept."""
        rows, delta = self.rows(wide(a)), self.given(wide(delta))
        gradient = lambda place: jnp.einsum("bti,bto->bio", rows(place), delta, precision=lax.Precision.HIGHEST)  # noqa: E731
        return jnp.sum(lax.map(lambda place: jnp.sum(gradient(place) ** 2), self.places))


def _gram(x: Array) -> Array:
    """X X^T over the positions, for each of the batch; the places' features side by side."""
    return jnp.einsum("kbti,kbsi->bts", x, x, precision=lax.Precision.HIGHEST)


def _same(x: Array) -> Array:
    return x
