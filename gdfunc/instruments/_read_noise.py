"""Reads how much the examples of a step's batch disagree."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree
from ._batch_tests import inner_product_test, norm_test, orthogonality_test
from ._example_gradients import example_gradient_norms, example_projections
from ._noise import noise_scale
from ._reader import Reader, Step
from ._wanted import OF_EXAMPLES


class Averages(NamedTuple):
    """Running sums over the last ten readings or so; both lack the same factor at first, which their ratio does not see."""

    noise: Array
    signal: Array


def _averages(params: Tree, names: tuple[str, ...]) -> Averages:
    return Averages(jnp.zeros(()), jnp.zeros(()))


def _noise(step: Step, names: tuple[str, ...], memory: Averages, first: Array) -> tuple[Mapping[str, Any], Any]:
    norms, along = step.of_examples or (None, None)
    if norms is None:
        norms = example_gradient_norms(step.loss_fn, step.params, step.examples)
    squares, g = norms**2, step.grads
    now = noise_scale(squares, g)
    new = jax.tree.map(lambda m, x: 0.9 * m + 0.1 * x, memory, Averages(now.trace, now.signal))
    scale = jnp.where(new.signal > 0, new.noise / new.signal, jnp.inf)
    found = {"gradient_noise": now.trace, "gradient_signal": now.signal, "noise_scale": scale}
    found["norm_test"] = norm_test(squares, g)
    if {"inner_product_test", "orthogonality_test"} & set(names):
        if along is None:
            along = example_projections(step.loss_fn, step.params, step.examples, g)
        found["inner_product_test"] = inner_product_test(along, g)
        found["orthogonality_test"] = orthogonality_test(squares, along, g)
    return found, new


NOISE = Reader(OF_EXAMPLES, _averages, _noise)
