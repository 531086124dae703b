"""What a training step has at hand, and what reads it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree
from ._step_gradient import OfExamples


class Step(NamedTuple):
    """What a training step has at hand."""

    loss_fn: Callable[[Tree, Tree], Array]  # (params, batch) -> ()
    params: Tree  # before it
    batch: Tree
    loss: Array  # on the batch; with mini-batches, as the gradients, the mean over them
    grads: Tree
    updates: Tree | None  # None where they are not known
    rule: Any  # None where it is not known
    state: Any  # the rule's, after it
    number: Any  # how many were made before it, () int32
    examples: Tree  # the whole batch, where `batch` is one of several mini-batches
    of_examples: OfExamples | None = None  # what the step's own backward pass showed of each


class Reader(NamedTuple):
    """Reads some instruments: (step, names, memory, whether it is the first reading) -> (name -> number, memory)."""

    names: tuple[str, ...]
    memory: Callable[[Tree, tuple[str, ...]], Any]  # the parameters, or their shapes -> a memory of zeros
    read: Callable[[Step, tuple[str, ...], Any, Array], tuple[Mapping[str, Any], Any]]


def zeros(params: Tree) -> Tree:
    return jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), params)


def at_first(first: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(first, a, b), new, old)


def no_memory(params: Tree, names: tuple[str, ...]) -> tuple:
    return ()
