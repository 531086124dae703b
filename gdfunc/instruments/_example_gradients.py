"""The norm of each example's gradient, and its component along a direction, without the gradients where possible."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, check_alike, check_params, safe_sqrt, trace_loss, tree_dot
from ..gradients._examples import alone, count_examples
from ._look_up import LookUp
from ._products import products
from ._program import Ref, read_program
from ._run import run


def example_gradient_norms(loss_fn: Callable[[Tree, Tree], Array], params: Tree, batch: Tree, chunk: int = 32) -> Array:
    r"""Each example's gradient norm, $\lVert g_i \rVert$ with $g_i = \nabla_p L(p, x_i)$.

    A parameter W that is used once, as the weights of a product $Z = A W$ over T positions, has the gradient
    $A^\top \Delta$ with $\Delta = \partial L / \partial Z$. Its norm needs no more than A and $\Delta$:

    $$\lVert A^\top \Delta \rVert^2 = \langle A A^\top, \Delta \Delta^\top \rangle
    \qquad \text{and for } T = 1 \qquad \lVert a \rVert^2 \lVert \delta \rVert^2$$

    (Goodfellow 2015, <https://arxiv.org/abs/1510.01799>, for T = 1; Li, Tramèr, Liang & Hashimoto 2022, ICLR,
    <https://arxiv.org/abs/2110.05679>, section 4). This is done for every weight for which it takes fewer
    multiplications. Where a scan takes the weights of one layer after the other, each has a product of its own, and the
    squared norm is the sum over them.

    A convolution (with or without groups of channels) is a product too, with A the parts of the input that its window
    passes over. With many positions and few channels the gradient takes fewer multiplications than the Gram matrices:
    there the gradient of one place of the window after the other is computed and its squares are summed, so that neither A
    nor a whole gradient is in memory. On a CPU this is faster than the convolution with a group for every example that
    reverse mode makes of it.

    Of a table that is looked up outside loops, at fewer places than it has rows, $\Delta$ is summed over the places that
    looked up the same row. Of the other parameters (biases, scales, weights that are used again, as in a recurrent network
    or a tied embedding) each example's gradient is taken. All ways agree up to rounding; where the contributions of the positions cancel, the Gram
    matrices lose up to half of the digits.

    Args:
        loss_fn: (params, batch) -> (), a mean over examples; it is called on batches of one. Where it ties examples
            together (batch normalisation, contrast) the gradient of one alone is another quantity.
        params: p, a pytree of real floating-point arrays.
        batch: a pytree whose leaves share a leading axis of n examples.
        chunk: how many examples are in memory at once, with what their layers carry and the gradients that are taken.

    Returns:
        (n,), in units of the gradient, in at least float32.

    Raises:
        ValueError: naming a leaf of the batch without the others' leading axis, where `chunk` is below 1, or where the
            loss is no real scalar.
    """
    check_params(params, "example_gradient_norms")
    n = count_examples("example_gradient_norms", batch)
    if chunk < 1:
        raise ValueError(f"example_gradient_norms needs chunk >= 1, and was given chunk={chunk}")
    one = jax.tree.map(lambda x: x[:1], batch)
    program = read_program(trace_loss("example_gradient_norms", loss_fn, params, one)[0])
    leaves = dict(enumerate(jnp.asarray(p) for p in jax.tree.leaves(params)))
    found = products(program, len(leaves))
    probes = {ref: probe for each in found.values() for ref, probe in each.probes().items()}
    indices = [each.indices for each in found.values() if isinstance(each, LookUp)]
    kept = replace(program, outputs=[program.outputs[0], *indices])
    taken = {i: p for i, p in leaves.items() if i not in found}

    def norm(example: Tree) -> Array:
        def loss(some: dict[int, Array], dummies: dict[Ref, Any]) -> tuple[Array, list[Array]]:
            out = run(kept, [*(leaves | some).values(), *jax.tree.leaves(alone(example))], probes, dummies)
            return out[0], out[1:]

        blanks = {ref: probe.blank() for ref, probe in probes.items()}
        (grads, measured), rows = jax.grad(loss, argnums=(0, 1), has_aux=True)(taken, blanks)
        measured |= dict(zip(indices, rows, strict=True))
        return safe_sqrt(sum((each.squared_norm(measured) for each in found.values()), tree_dot(grads, grads)))

    return lax.map(jax.jit(norm), batch, batch_size=min(chunk, n))


def example_projections(loss_fn: Callable[[Tree, Tree], Array], params: Tree, batch: Tree, direction: Tree) -> Array:
    r"""Each example's gradient along one direction, $g_i^\top d$, without any of the gradients.

    They are the derivatives of the n losses along d, so one forward-mode pass yields them all, at the price of
    about one gradient.

    Args:
        loss_fn: (params, batch) -> (), a mean over examples, as for `example_gradient_norms`.
        params: a pytree of real floating-point arrays.
        batch: a pytree whose leaves share a leading axis of n examples.
        direction: d, a tree as `params` in structure, shapes and dtypes.

    Returns:
        (n,), in units of the loss where d is in units of p, and of g**2 where d is a gradient.

    Raises:
        ValueError: naming a leaf of the batch without the others' leading axis, or the first where `params` and
            `direction` differ.
    """
    check_params(params, "example_projections")
    check_alike("example_projections", params=params, direction=direction)
    count_examples("example_projections", batch)
    losses = lambda p: jax.vmap(lambda example: loss_fn(p, alone(example)))(batch)  # noqa: E731
    return jax.jvp(losses, (params,), (direction,))[1]
