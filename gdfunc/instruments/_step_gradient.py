"""The step's own gradient, with all that its instruments look at on the way."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, NamedTuple

from jax import Array

from ..core import Tree
from ._example_sums import ExampleSums
from ._probes import plan
from ._program import Ref
from ._run import Probe
from ._trace import Traced, probed_value_and_grad


class OfExamples(NamedTuple):
    """Of each example's gradient: its norm, and its component along that of the batch, (n,) both."""

    norms: Array
    projections: Array


class StepGradient(NamedTuple):
    """The loss, its gradient, and what was seen on the way.

    Attributes:
        loss: ().
        aux: what the loss function returned beside it.
        grads: a tree as the parameters.
        measured: by the probes of `plan`.
        examples: None where they were not looked at.
    """

    loss: Array
    aux: Any
    grads: Tree
    measured: dict[Ref, Any]
    examples: OfExamples | None


def step_gradient(
    traced: Traced,
    names: Collection[str],
    sums: ExampleSums | None,
    params: Tree,
    batch: Tree,
    has_aux: bool = False,
) -> StepGradient:
    """The loss and its gradient, with probes in it.

    Args:
        traced: the loss.
        names: the instruments that are read with the gradient.
        sums: how to look at the examples; None for not.
        params: the parameters.
        batch: the loss's.
        has_aux: whether the loss has something beside it.
    """
    probes = _side_by_side(plan(traced, names), sums.probes() if sums else {})
    (loss, aux), grads, measured = probed_value_and_grad(traced, probes, params, batch, has_aux)
    ours, theirs = ({ref: (a[i], b[i]) for ref, (a, b) in measured.items()} for i in (0, 1))
    examples = sums and OfExamples(sums.norms(theirs), sums.projections(theirs, grads))
    return StepGradient(loss, aux, grads, {ref: x for ref, x in ours.items() if x != ((), ())}, examples)


def _side_by_side(first: dict[Ref, Probe], second: dict[Ref, Probe]) -> dict[Ref, Probe]:
    """Probes that measure (what the first's do, what the second's do)."""

    def both(a: Probe | None, b: Probe | None) -> Probe:
        either: Any = a or b
        forward = lambda x: tuple(p.forward(x) if p else () for p in (a, b))  # noqa: E731
        backward = lambda x: tuple(p.backward(x) if p else () for p in (a, b))  # noqa: E731
        return replace(either, forward=forward, backward=backward)

    return {ref: both(first.get(ref), second.get(ref)) for ref in {**first, **second}}
