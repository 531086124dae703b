"""Each example's gradient norm, and its component along a direction, from the step's own backward pass."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, jaxpr as jx, safe_sqrt, wide
from ._apart import example_axes
from ._gram import End, Product
from ._products import Use, only_uses, probed, product
from ._program import Ref
from ._run import Probe
from ._trace import Traced


class ExampleSums(NamedTuple):
    """How the examples' gradients are measured while that of their mean is taken: by the two ends of every operation that takes a parameter.

    Attributes:
        count: n, of the examples.
        parts: of each parameter.
    """

    count: int
    parts: "list[Part]"

    def probes(self) -> dict[Ref, Probe]:
        return {end.ref: end.probe(part.use.lengths) for part in self.parts for end in part.ends}

    def norms(self, measured: dict[Ref, Any]) -> Array:
        """As `example_gradient_norms`, (n,)."""
        each = [part.squared_norms(measured) for part in self.parts]
        return self.count * safe_sqrt(jnp.sum(jnp.stack(each), axis=0))

    def projections(self, measured: dict[Ref, Any], direction: Tree) -> Array:
        """As `example_projections`, (n,)."""
        pairs = zip(self.parts, jax.tree.leaves(direction), strict=True)
        return self.count * jnp.sum(jnp.stack([part.projections(measured, d) for part, d in pairs]), axis=0)


def example_sums(traced: Traced, loss_fn: Callable, params: Tree, batch: Tree) -> ExampleSums | None:
    """The `ExampleSums` of a loss; None where examples do not go apart, or where some parameter is used otherwise.

    Where the loss draws something for each place in the batch, as dropout does, an example's gradient is with what was drawn
    for its place, and the examples' mean is the step's own gradient.

    Args:
        traced: the loss.
        loss_fn: the same, (params, batch) -> loss, or (loss, aux).
        params: what it was traced for.
        batch: likewise, arrays that all have the same leading axis.
    """
    uses = only_uses(traced.program, len(jax.tree.leaves(params)))
    if any(use is None or not use.sliced_first for use in uses):
        return None
    axes = example_axes(traced, loss_fn, params, batch)
    if axes is None:
        return None
    parts = [part for use in uses if use and (part := _part(use, axes))]
    return ExampleSums(jnp.shape(jax.tree.leaves(batch)[0])[0], parts) if len(parts) == len(uses) else None


class Part(NamedTuple):
    """What is read of one parameter W, which goes into one operation z = op(a, W), linear in W.

    Attributes:
        use: the operation.
        ends: z, a; z alone where W is added.
        product: where it is a matrix product or a convolution; otherwise W is added, or multiplied with entry by entry.
    """

    use: Use
    ends: tuple[End, ...]
    product: Product | None

    def squared_norms(self, measured: dict[Ref, Any]) -> Array:
        if self.product:
            return self.product.squared_norms(measured)
        w = jax.ShapeDtypeStruct(self.use.slice.shape, self.use.slice.dtype)

        def squared_norm(delta: Array, *a: Array) -> Array:
            (gradient,) = jax.linear_transpose(lambda w: self._op(w, delta.shape, *a), w)(delta)
            return jnp.sum(wide(gradient) ** 2)

        values = [jnp.expand_dims(x, 1 + end.axis + 1) for x, end in zip(self._turns(measured), self.ends, strict=True)]
        along = tuple(end.axis for end in self.ends)
        return jnp.sum(jax.vmap(jax.vmap(squared_norm, along))(*values), axis=0)

    def projections(self, measured: dict[Ref, Any], direction: Array) -> Array:
        z = self.ends[0]

        def projection(d: Array, delta: Array, *a: Array) -> Array:
            parts = wide(delta) * wide(self._op(d, delta.shape, *a))
            return jnp.sum(parts, axis=[i for i in range(delta.ndim) if i != z.axis])

        turns = direction.reshape(-1, *self.use.slice.shape).astype(self.use.slice.dtype)
        return jnp.sum(jax.vmap(projection)(turns, *self._turns(measured)), axis=0)

    def _turns(self, measured: dict[Ref, Any]) -> list[Array]:
        """(turns, ...) of delta = dL/dz and a."""
        lengths = self.use.lengths
        values = [measured[end.ref][i == 0] for i, end in enumerate(self.ends)]
        return [x.reshape(math.prod(lengths), *x.shape[len(lengths) :]) for x in values]

    def _op(self, w: Array, shape: tuple[int, ...], *a: Array) -> Array:
        """op(a, W), less what does not depend on W."""
        for op in self.use.layout:
            (w,) = jx.bind(op.eqn, [w])
        if not a:
            return jnp.broadcast_to(-w if (self.use.op.name, self.use.index) == ("sub", 1) else w, shape)
        inputs = (w, *a) if self.use.index == 0 else (*a, w)
        return jx.bind(self.use.op.eqn, list(inputs))[0]


def _part(use: Use, axes: dict[Ref, int]) -> Part | None:
    if any(ref in axes for op in use.layout for ref in op.outputs) or len(use.op.inputs) != 2:
        return None
    avals, a, z = use.block.avals, use.op.inputs[1 - use.index], use.op.outputs[0]
    if not probed(use.block, a, z) or a not in axes or z not in axes:
        return None
    ends = (End(z, avals[z], axes[z]), End(a, avals[a], axes[a]))
    if found := product(use, axes):
        return Part(use, ends, found)
    if use.op.name in ("add", "add_any", "sub"):
        return Part(use, ends[:1], None)
    return Part(use, ends, None) if use.op.name == "mul" else None
