"""The gradient of each example, and the matrix of their second moments."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, check_params, path_name
from ._given import as_direction, scalar


def per_example_gradients(
    loss_fn: Callable[[Tree, Tree], Array], params: Tree, batch: Tree, chunk: int | None = None
) -> Tree:
    r"""Each example's gradient, $g_i = \nabla_p L(p, x_i)$.

    For the norms alone `instruments.example_gradient_norms` needs a fraction of the time and memory.

    Args:
        loss_fn: (params, batch) -> (), a mean over examples; it is called on batches of one. Where it ties examples
            together (batch normalisation, contrast) the gradient of one alone is another quantity.
        params: p, a pytree of real floating-point arrays.
        batch: a pytree whose leaves share a leading axis of n examples.
        chunk: how many examples are differentiated at once, 1 or more; None for all. Fewer need less memory.

    Returns:
        A tree as `params`, each leaf (n, ...), in units of L / p.

    Raises:
        ValueError: naming a leaf of the batch without the others' leading axis, where `chunk` is below 1, or where the
            loss is no real scalar.
    """
    check_params(params, "per_example_gradients")
    n = count_examples("per_example_gradients", batch)
    if chunk is not None and chunk < 1:
        raise ValueError(f"per_example_gradients needs chunk >= 1, and was given chunk={chunk}")
    loss = scalar("per_example_gradients", loss_fn)
    gradient = lambda example: jax.grad(loss)(params, alone(example))  # noqa: E731
    if chunk is None or chunk >= n:
        return jax.vmap(gradient)(batch)
    return lax.map(gradient, batch, batch_size=chunk)


def empirical_fisher_vector_product(loss_fn: Callable[[Tree, Tree], Array], params: Tree, v: Tree, batch: Tree) -> Tree:
    r"""$\tilde F v$, the second moments of the examples' gradients times v, without any of the gradients.

    $$\tilde F v = \frac1n \sum_i g_i\, (g_i^\top v)$$

    It is not the Fisher information, whose gradients are those of labels drawn from the model: the two may differ in
    directions as in size (Kunstner, Balles & Hennig 2019, NeurIPS, <https://arxiv.org/abs/1905.12558>). That one is
    `gauss_newton_vector_product` of a squared error or a cross-entropy.

    Args:
        loss_fn: (params, batch) -> (), a mean over examples, as for `per_example_gradients`.
        params: p, a pytree of real floating-point arrays.
        v: the direction, a tree as `params` in structure and shapes.
        batch: a pytree whose leaves share a leading axis of n examples.

    Returns:
        A tree as `params`, in units of (L / p)**2 times those of v.

    Raises:
        ValueError: naming a leaf of the batch without the others' leading axis, the first where `params` and `v` differ,
            or where the loss is no real scalar.
    """
    who = "empirical_fisher_vector_product"
    v, n = as_direction(who, params, v), count_examples(who, batch)
    loss = scalar(who, loss_fn)
    losses = lambda p: jax.vmap(lambda example: loss(p, alone(example)))(batch)  # noqa: E731
    along = jax.jvp(losses, (params,), (v,))[1]
    return jax.vjp(losses, params)[1](along / n)[0]


def alone(example: Tree) -> Tree:
    """An example as a batch of one."""
    return jax.tree.map(lambda x: x[None], example)


def count_examples(who: str, batch: Tree) -> int:
    """The length of the leading axis; ValueError names the first leaf that has another one."""
    leaves = jax.tree_util.tree_leaves_with_path(batch)
    if not leaves:
        raise ValueError(f"{who} needs a batch with at least one array, and was given {batch!r}")
    first_path, first = leaves[0][0], jnp.shape(leaves[0][1])
    for path, leaf in leaves:
        shape = jnp.shape(leaf)
        if not shape or shape[0] == 0 or shape[:1] != first[:1]:
            raise ValueError(
                f"{who} needs one leading axis of examples on every leaf of the batch, and was given shape "
                f"{shape} at {path_name(path)!r} beside {first} at {path_name(first_path)!r}"
            )
    return first[0]
