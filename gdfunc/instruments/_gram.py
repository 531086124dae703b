"""A parameter whose gradient is a product of two arrays: its norm needs no gradient."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..core import wide
from ._program import Block, Ref
from ._run import Probe


class Product(NamedTuple):
    """Z = A W with a parameter W: its gradient's norm from A and delta = dL/dZ.

    A convolution is the sum of one such product for each place of its window, whose W and A are its own.

    Attributes:
        block: where it stands.
        a: the value that A is taken from.
        z: Z.
        lengths: of the scans around it, from the outermost; each of their turns has a W of its own.
        rows: value of `a` -> (place -> A as (batch, positions, features)), where W too has the axes of the batch.
        given: delta -> (batch, positions, features).
        places: (k, axes), of a convolution's window; otherwise k = 1, and no axes.
    """

    block: Block
    a: Ref
    z: Ref
    lengths: tuple[int, ...]
    rows: Callable[[Array], Callable[[Array], Array]]
    given: Callable[[Array], Array]
    places: np.ndarray

    @property
    def cheaper(self) -> bool:
        """Whether the Gram matrices take fewer multiplications than the gradient.

        Where they do not, the gradient is no larger than A and delta together.
        """
        avals = (self.block.avals[ref] for ref in (self.a, self.z))
        a, z = (jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals)
        positions, summed = jax.eval_shape(lambda a: self.rows(a)(self.places[0]), a).shape[1:]
        given, summed = jax.eval_shape(self.given, z).shape[2], summed * len(self.places)
        return positions * (summed + given) < summed * given

    def probes(self) -> dict[Ref, Probe]:
        return {ref: Probe(ref, _same, _same, self.block.avals[ref], self.lengths) for ref in (self.a, self.z)}

    def squared_norm(self, measured: dict[Ref, Any]) -> Array:
        a, delta = measured[self.a][0], measured[self.z][1]
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
