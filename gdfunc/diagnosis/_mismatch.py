"""Do loss and labels fit what the network gives? The loss is minimised over the last layer's outputs themselves."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Tree, jaxpr as jx
from ..instruments import Traced
from ._finding import Finding, Remedy
from ._output import Ref, dependents, evaluate, last_layer, last_output, refs, tail

MISMATCH = 0.25
STEPS = 300
_NAMES = {"logistic": "sigmoid", "max": "relu", "min": "minimum", "div": "softmax"}
_SQUASHES = frozenset({
    "clamp", "clip", "erf", "hard_sigmoid", "hard_tanh", "logistic", "max", "min", "relu", "relu6", "sigmoid",
    "soft_sign", "softmax", "softplus", "tanh",
})  # fmt: skip
SOURCE = "between the healthy and the broken networks of docs/diagnosis.md; the share is this toolkit's own"


class Reach(NamedTuple):
    """How far down a loss can be brought: by the last layer's outputs, and by what is made of them."""

    loss: float  # as it is
    free: float  # its minimum over what the last layer gives
    low: float  # its minimum over what is made of that
    by: str  # by what: "softmax", "relu", ..., or "broadcast"

    @property
    def lost(self) -> float:
        """The share of the possible fall that is out of reach, and no more than the share of the loss that remains.

        The second for a loss that y could bring below what it calls perfect, as sizes beyond 1 do an overlap (Dice).
        """
        if not (self.loss > self.low and self.free > 0):
            return 0.0
        return min((self.free - self.low) / (self.loss - self.low), self.free / self.loss)


def loss_mismatch(traced: Traced, params: Tree, batch: Tree) -> Iterator[Finding]:
    """Outputs that could not bring the loss down whatever they were, because of what is done with them."""
    found = reach(traced, params, batch)
    if found is None or not found.lost > MISMATCH:
        return
    words = f"with the last layer's outputs free, the loss falls only from {found.loss:.3g} to {found.free:.3g}"
    words += f"; with what the {found.by} makes of them free, to {found.low:.3g}"
    remedies, unit = (Remedy(_remedy(found.by), found.lost),), "of the loss's possible fall"
    yield Finding("loss_mismatch", last_layer(traced), words, found.lost, MISMATCH, unit, SOURCE, remedies)


def reach(traced: Traced, params: Tree, batch: Tree) -> Reach | None:
    r"""How far down the loss can be brought; None where nothing between the last layer and the loss could hold it up.

    $$\min\!\left(\frac{\min_z L - \min_y L}{L - \min_y L}, \frac{\min_z L}{L}\right) \qquad y = \phi(z)$$

    With z, what the last layer gives, as free variables, the loss could fall to min_z L; with y, what a squashing function
    (a second softmax, a relu, a tanh) or a broadcast of (n, 1) against (n,) makes of it, to min_y L. The number is the share
    of the possible fall that is out of reach, from which what is added to the loss and does not depend on z cancels out; a
    loss that is not above 0 at its minimum is left alone.

    Args:
        traced: the loss.
        params: the parameters.
        batch: the batch.
    """
    z = last_output(traced)
    between = [] if z is None else _between(traced, z)
    if z is None or not between:
        return None
    loss, free, lows = _lowest(traced, z, [ref for ref, _ in between], params, batch)
    return max((Reach(loss, free, low, by) for low, (_, by) in zip(lows, between, strict=True)), key=lambda r: r.lost)


def _remedy(by: str) -> str:
    if by == "broadcast":
        return "labels of the outputs' own shape: labels[:, None], or outputs[:, 0]"
    if by == "softmax":
        return "hand the loss what goes into the softmax (logits), or take the logarithm of what comes out"
    return f"leave out the last {by}, or scale the labels into its range"


def _between(traced: Traced, z: Ref) -> list[tuple[Ref, str]]:
    """Values between z and the loss by way of which alone the loss depends on z, made by a squash or a broadcast."""
    program = traced.program
    after, exponentials, found = dependents(program, [z]), set(), []
    if not after & refs(program.outputs[:1]):
        return []
    for op in program.ops:
        taken = after & refs(op.inputs)
        if not taken or len(op.outputs) != 1:
            continue
        (out,) = op.outputs
        name = jx.called_name(op.eqn).lstrip("_") or op.name
        exponentials |= {out} if op.name == "exp" else set()
        squash = name in _SQUASHES or (op.name == "div" and op.inputs[0] in exponentials)
        x, *others = taken
        n, pairs = (int(np.prod(program.avals[ref].shape)) for ref in (x, out))
        # What is made of two outputs each, as a contrast is, is meant to be.
        spread = not others and (jx.is_pointwise(op.eqn) or op.name == "broadcast_in_dim") and pairs == n * n > 1
        if (squash or spread) and not dependents(program, [z], without=out) & refs(program.outputs[:1]):
            found.append((out, "broadcast" if spread else _NAMES.get(name, name)))
    return found


def _lowest(traced: Traced, z: Ref, others: list[Ref], params: Tree, batch: Tree) -> tuple[float, float, list[float]]:
    """(the loss, its minimum over z, its minimum over each of the others, or z's where there is none)."""

    @jax.jit
    def run(params: Tree, batch: Tree) -> tuple[Any, list]:
        values = evaluate(traced, params, batch)
        loss = values[traced.program.outputs[0]]
        return loss, [minimised(tail(traced, ref, values), values[ref]) for ref in (z, *others)]

    loss, ((free, _), *lows) = jax.tree.map(float, run(params, batch))
    # A loss that goes on falling has no minimum: there it is a logarithm or a sum, and no output that labels would fit.
    bounded = lambda low, farther: np.isfinite(low) and not farther < low - 0.1 * abs(loss - low)  # noqa: E731
    return loss, free, [min(free, low) if bounded(low, farther) else free for low, farther in lows]


def minimised(loss: Callable[[Any], Any], start: Any) -> tuple[Any, Any]:
    """(the lowest loss that was met, that four times as far along), by Adam from four places at two rates.

    The other places: a relu below 0 has no slope, and a clipped value none beyond its ends.
    """
    given = start.dtype
    start = start.astype(jnp.promote_types(given, jnp.float32))  # steps that half precision would round away
    scale = 1 + jnp.sqrt(jnp.mean(start**2))
    of_given = lambda x: loss(x.astype(given)).astype(start.dtype)  # noqa: E731
    starts = jnp.stack([start, jnp.full_like(start, 0.1), start + 2 * scale, start - 2 * scale])

    def descend(of: tuple[Any, Any]) -> tuple[Any, Any]:
        x, rate = of
        slope = jax.value_and_grad(of_given)

        def step(carry: tuple, t: Any) -> tuple[tuple, None]:
            x, m, v, best, at = carry
            value, g = slope(x)
            better = value < best
            best, at = jnp.where(better, value, best), jnp.where(better, x, at)
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
            debiased = m / (1 - 0.9**t), v / (1 - 0.99**t)
            x = x - rate * (1 - (t - 1) / STEPS) * debiased[0] / (jnp.sqrt(debiased[1]) + 1e-12)
            return (x, m, v, best, at), None

        zero, times = jnp.zeros_like(x), jnp.arange(1, STEPS + 1, dtype=x.dtype)
        (_, _, _, best, at), _ = jax.lax.scan(step, (x, zero, zero, jnp.asarray(jnp.inf, x.dtype), x), times)
        return best, of_given(start + 4 * (at - start))

    places = jnp.repeat(starts, 2, axis=0), jnp.tile(jnp.asarray([0.1, 3.0], start.dtype) * scale, 4)
    best, farther = jax.lax.map(descend, places)
    chosen = jnp.nanargmin(jnp.where(jnp.isnan(best), jnp.inf, best))
    return best[chosen], farther[chosen]
