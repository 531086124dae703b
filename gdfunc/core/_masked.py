from typing import Any

import jax
import numpy as np

from ._combinator import Combinator, check_part, combinator, init_part, merge, needs_of, select, update_part
from ._trees import Tree, check_alike, check_params


@combinator("inner", static=("mask",))
class Masked(Combinator):
    """What `masked` returns."""

    word = "masked"

    inner: Any
    mask: Any

    def __init__(self, inner: Any, mask: Any):
        check_part("masked", inner)
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "mask", mask if callable(mask) else _frozen_mask(mask))

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return needs_of([self.inner])

    def _show(self) -> str:
        mask = self.mask if callable(self.mask) else self.mask[1].unflatten(self.mask[0])
        return f"{self.inner!r}, {mask!r}"

    def _keep(self, tree: Tree) -> Tree:
        if callable(self.mask):
            mask = self.mask(tree)
        else:
            leaves, structure = self.mask
            mask = structure.unflatten(leaves)
        if jax.tree.structure(mask) != jax.tree.structure(tree):
            raise ValueError(
                f"masked needs a mask alike the parameters, {jax.tree.structure(tree)}, "
                f"and was given {jax.tree.structure(mask)}"
            )
        return mask

    def init(self, params):
        check_params(params, "masked.init")
        return init_part(self.inner, select(params, self._keep(params)))

    def update(self, grads, state, params=None, **extra):
        if params is not None:
            check_alike("masked.update", gradients=grads, parameters=params)
        keep = self._keep(grads)
        updates, state = update_part(self.inner, grads, state, params, keep, extra)
        return merge(grads, keep, updates), state


def masked(inner: Any, mask: Any) -> Masked:
    """`inner` on the leaves where `mask` is True; elsewhere the gradients pass through as they are.

    As `optax.masked`, and with its trap: what passes through is a gradient, not zero. To give some leaves another rule
    or to freeze them, use `by_path`.

    Args:
        inner: a rule or transformation.
        mask: a pytree of booleans alike the parameters, or a function from parameters to one.

    Returns:
        A rule.

    Raises:
        ValueError: where the mask is not alike the parameters.
    """
    return Masked(inner, mask)


def _frozen_mask(mask: Tree) -> tuple:
    leaves, structure = jax.tree.flatten(mask)
    if not all(isinstance(leaf, (bool, np.bool_)) for leaf in leaves):
        raise ValueError(f"masked needs a mask of booleans, and was given {mask!r}")
    return tuple(map(bool, leaves)), structure
