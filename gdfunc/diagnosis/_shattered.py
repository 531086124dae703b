"""Do inputs that are nearly equal get gradients that are alike?"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Tree
from ..instruments import Layer, Traced
from ._changes import redraw
from ._finding import Finding, Remedy
from ._output import Ref, evaluate, last_output
from ._remedies import Train

NEARBY = 1e-3  # how far the other input is, in standard deviations of the inputs
SHATTERED = 0.5
DEEP = 10  # layers before the last: none of fewer was seen to shatter what it does not saturate
SOURCE = (
    "gradients of deep plain networks become white noise (Balduzzi, Frean, Leary, Lewis, Ma & McWilliams 2017, ICML, "
    "arXiv:1702.08591); between the healthy and the broken networks of docs/diagnosis.md"
)


def shattered_gradients(
    traced: Traced, layers: tuple[Layer, ...], params: Tree, batch: Tree, key: jax.Array | None, train: Train | None
) -> Iterator[Finding]:
    """The output's gradient with respect to the input turns elsewhere when the input moves by a thousandth of its size.

    Args:
        traced: the loss.
        layers: of the network.
        params: the parameters.
        batch: the batch.
        key: for weights that are drawn anew as a remedy; None where none is tried.
        train: a short training, for the remedy.
    """
    number = alikeness(traced, batch) if len(layers) > DEEP else None
    if number is None:
        return
    value = number(params)
    if not value < SHATTERED:
        return
    tried = []
    if key is not None:
        name, redrawn = redraw(params, layers, key)
        after = number(redrawn)
        losses = None if train is None else train(redrawn, batch)
        tried = [Remedy(name, value, after, bool(after >= SHATTERED), losses)]
        words = Remedy("residual branches, whose gradients shatter far more slowly with depth", value)
        tried = [*tried, words] if tried[0].helps else [words, *tried]
    statement = (
        f"where the input moves by {NEARBY:g} of its standard deviation, the gradient with respect to it turns to a cosine "
        f"of {value:.2g}: for most examples it says nothing of what is next to them"
    )
    yield Finding("shattered_gradients", "", statement, value, SHATTERED, "cosine", SOURCE, tuple(tried))


def alikeness(traced: Traced, batch: Tree) -> Callable[[Tree], float] | None:
    r"""A function from parameters to the median cosine, over examples, between an input's gradient and that of one nearby.

    $$\cos\!\big(\nabla_x f(x), \nabla_x f(x + \epsilon)\big) \qquad f = c^\top z, \quad c \sim N(0, I)$$

    z is what the last layer gives, so that labels do not come in. None where the last layer is not found, or the inputs are
    not floating-point arrays with the examples on their first axis.
    """
    z, leaves = last_output(traced), [jnp.asarray(x) for x in jax.tree.leaves(batch)]
    shape = () if z is None else traced.program.avals[z].shape
    moves = [shape and jnp.issubdtype(x.dtype, jnp.floating) and x.ndim > 1 and len(x) == shape[0] for x in leaves]
    if z is None or not any(moves):
        return None
    rng = np.random.default_rng(0)
    nearby = [
        x + jnp.asarray(NEARBY * np.std(np.asarray(x, np.float64)) * rng.standard_normal(x.shape), x.dtype) if m else x
        for x, m in zip(leaves, moves, strict=True)
    ]
    structure, cotangent = jax.tree.structure(batch), rng.standard_normal(shape[1:])

    @jax.jit
    def cosine(params: Tree, here: list, there: list) -> Any:
        a, b = (_gradient(traced, z, cotangent, structure, params, x, moves) for x in (here, there))
        return jnp.sum(a * b, 1) / jnp.sqrt(jnp.sum(a**2, 1) * jnp.sum(b**2, 1))

    def number(params: Tree) -> float:
        cosines = np.asarray(cosine(params, leaves, nearby), np.float64)
        known = cosines[np.isfinite(cosines)]
        return float(np.median(known)) if known.size else float("nan")

    return number


def _gradient(
    traced: Traced, z: Ref, cotangent: Any, structure: Any, params: Tree, leaves: list, moves: list
) -> jax.Array:
    """(examples, entries): of c^T z, with respect to the inputs that move, at length 1."""

    def along(moving: list) -> Any:
        moved = iter(moving)
        batch = jax.tree.unflatten(structure, [next(moved) if m else x for x, m in zip(leaves, moves, strict=True)])
        output = evaluate(traced, params, batch)[z]
        return jnp.sum(output * jnp.broadcast_to(jnp.asarray(cotangent, output.dtype), output.shape))

    slopes = jax.grad(along)([x for x, m in zip(leaves, moves, strict=True) if m])
    flat = jnp.concatenate([g.reshape(len(g), -1).astype(jnp.float32) for g in slopes], axis=1)
    largest = jnp.max(jnp.abs(flat), axis=1, keepdims=True)
    return flat / jnp.where(largest > 0, largest, 1)  # squares of small gradients would underflow
