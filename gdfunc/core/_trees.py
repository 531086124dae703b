"""Arithmetic on parameter trees, with the path of the leaf in every error."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ._numerics import safe_sqrt, wide

Tree: TypeAlias = Any  # a pytree of arrays


def path_name(path: tuple) -> str:
    """A leaf's path as text: `layers/0/weight`; `(the tree itself)` for a bare array."""
    return jax.tree_util.keystr(path, simple=True, separator="/") or "(the tree itself)"


def leaf_paths(tree: Tree) -> list[str]:
    """The path of every leaf of `tree`, in the order of `jax.tree.leaves`."""
    return [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


def natural_key(path: str) -> list:
    """A sort key with which `layer_2` comes before `layer_10`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", path) if part]


def check_params(params: Tree, who: str) -> None:
    """Raises ValueError unless `params` has leaves and all of them are real floating-point arrays.

    Args:
        params: a pytree.
        who: the caller, for the error.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError(f"{who} needs at least one array among the parameters, and was given {params!r}")
    for path, leaf in leaves:
        try:
            dtype = jnp.result_type(leaf)
        except TypeError:
            dtype = type(leaf).__name__
        else:
            if jnp.issubdtype(dtype, jnp.floating):
                continue
        raise ValueError(f"{who} needs real floating-point parameters, and was given {dtype} at {path_name(path)!r}")


def check_alike(who: str, shapes: bool = True, **trees: Tree) -> None:
    """Raises ValueError at the first leaf where two named trees differ in structure or (if `shapes`) in shape.

    Args:
        who: the caller, for the error.
        shapes: whether leaves must have equal shapes too.
        **trees: two or more trees by the names that the error uses.
    """
    (name, first), *others = trees.items()
    structure = jax.tree.structure(first)
    for other_name, other in others:
        if jax.tree.structure(other) != structure:
            raise ValueError(
                f"{who} needs {name} and {other_name} alike, and {_difference(name, first, other_name, other)}"
            )
        if not shapes:
            continue
        pairs = zip(jax.tree_util.tree_leaves_with_path(first), jax.tree.leaves(other), strict=True)
        for (path, a), b in pairs:
            if jnp.shape(a) != jnp.shape(b):
                raise ValueError(
                    f"{who} needs {name} and {other_name} of one shape, and at {path_name(path)!r} "
                    f"was given {jnp.shape(a)} and {jnp.shape(b)}"
                )


def _difference(name: str, first: Tree, other_name: str, other: Tree) -> str:
    mine, theirs = leaf_paths(first), leaf_paths(other)
    for path in mine:
        if path not in theirs:
            return f"{path!r} is in {name} but not in {other_name}"
    for path in theirs:
        if path not in mine:
            return f"{path!r} is in {other_name} but not in {name}"
    return f"their containers differ: {jax.tree.structure(first)} and {jax.tree.structure(other)}"


def tree_map(f: Callable[..., Any], *trees: Tree, who: str = "tree_map") -> Tree:
    """`jax.tree.map` for arrays of equal shapes: nothing broadcasts, and a mismatch names the leaf.

    Args:
        f: a function of one array from each tree.
        *trees: one or more trees alike in structure and shapes.
        who: the caller, for the error.

    Returns:
        The tree of results.

    Raises:
        ValueError: naming the first leaf where two trees differ.
    """
    if len(trees) > 1:
        check_alike(who, **{f"tree {i}": tree for i, tree in enumerate(trees, 1)})
    return jax.tree.map(f, *trees)


def tree_add(a: Tree, b: Tree) -> Tree:
    """a + b, leaf by leaf."""
    return tree_map(jnp.add, a, b, who="tree_add")


def tree_sub(a: Tree, b: Tree) -> Tree:
    """a - b, leaf by leaf."""
    return tree_map(jnp.subtract, a, b, who="tree_sub")


def tree_scale(scale: Any, tree: Tree) -> Tree:
    """`scale` times every leaf; each leaf keeps its dtype."""
    return jax.tree.map(lambda x: (scale * wide(x)).astype(x.dtype), tree)


def tree_dot(a: Tree, b: Tree) -> Array:
    r"""$\langle a, b \rangle$, the sum over all leaves and entries, in at least float32."""
    products = tree_map(lambda x, y: jnp.sum(wide(x) * wide(y)), a, b, who="tree_dot")
    return sum(jax.tree.leaves(products), start=jnp.zeros((), jnp.float32))


def tree_norm(tree: Tree) -> Array:
    r"""The global norm $\sqrt{\sum_{leaves} \lVert x \rVert^2}$, in at least float32; derivative 0 at a zero tree."""
    return safe_sqrt(
        sum((jnp.sum(jnp.square(wide(x))) for x in jax.tree.leaves(tree)), start=jnp.zeros((), jnp.float32))
    )


def tree_size(tree: Tree) -> int:
    """The number of entries in all leaves."""
    return sum(int(np.prod(jnp.shape(x))) for x in jax.tree.leaves(tree))


def tree_all_finite(tree: Tree) -> Array:
    """A boolean scalar: no leaf holds a NaN or an infinity."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]))


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """`params + updates`, each leaf in its parameter's dtype.

    Args:
        params: a pytree of arrays.
        updates: a pytree alike in structure and shapes, as a rule's `update` returns it.

    Returns:
        The new parameters.

    Raises:
        ValueError: naming the first leaf where the two differ; nothing is broadcast.
    """
    check_alike("apply_updates", params=params, updates=updates)
    return jax.tree.map(lambda p, u: jnp.asarray(p + u).astype(jnp.result_type(p)), params, updates)


def did_you_mean(who: str, given: str, options: Iterable[str]) -> ValueError:
    """The error for a name that is not in a table, with the nearest names that are."""
    import difflib

    options = sorted(options)
    near = difflib.get_close_matches(str(given).lower(), options, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(options)}."
    return ValueError(f"{who} knows no {given!r}. {hint}")
