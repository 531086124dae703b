"""Remedies, each tried on the network at hand: other weights, another input, another rate."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from ..clipping import ClipByGlobalNorm
from ..core import Tree, chain
from ._changes import redraw, rescale, standardised
from ._evidence import Evidence, gather, slope_of
from ._finding import Finding, Losses, Remedy
from ._rates import starter
from ._rules import examine

Train = Callable[..., Losses]

_WEIGHTS = ("symmetric_init", "dead_units", "saturation", "vanishing", "exploding", "rank_collapse")


class Tried(NamedTuple):
    """A remedy that was tried: what it mends, what the batch shows under it, how the loss goes in a short training."""

    name: str
    mends: tuple[str, ...]
    evidence: Evidence
    losses: Losses | None


def trainer(loss_fn: Callable, rule: Any, weights: frozenset[str], steps: int) -> Train:
    """(params, batch, clipped) -> (the loss before `steps` updates on the batch, after them)."""
    start = starter(loss_fn, weights, steps)

    def train(params: Tree, batch: Tree, clipped: bool = False) -> Losses:
        return start(chain(ClipByGlobalNorm(1.0), rule) if clipped else rule, params, batch).ends

    return train


def with_remedies(
    found: list[Finding],
    seen: Evidence,
    look: Callable,
    params: Tree,
    batch: Tree,
    key: jax.Array,
    train: Train | None = None,
    clips: bool = False,
) -> list[Finding]:
    """The findings, each with the remedies that apply to it, the best first.

    A remedy is tried by looking at the same batch again under it, and with `train` by a short training.

    Args:
        found: what was found.
        seen: what the batch shows.
        look: what `instruments.look_at` gives.
        params: the parameters.
        batch: the batch.
        key: for weights that are drawn anew.
        train: as `trainer` makes it.
        clips: whether the gradients may be clipped before its rule.
    """
    kinds = {finding.kind for finding in found}
    trained = (lambda p, b: None) if train is None else train
    tried: list[Tried] = []

    def attempt(name: str, mends: tuple[str, ...], params: Tree, batch: Tree) -> None:
        tried.append(Tried(name, mends, gather(look, params, batch), trained(params, batch)))

    if kinds & set(_WEIGHTS):
        name, redrawn = redraw(params, seen.layers, key)
        attempt(name, _WEIGHTS, redrawn, batch)
        name = "LSUV: each layer's weights scaled until its output has mean square 1"
        attempt(name, _WEIGHTS, rescale(look, params, batch, seen.layers), batch)
    if "poorly_scaled_input" in kinds:
        name = "standardise the inputs: (x - mean) / std of each feature"
        attempt(name, ("poorly_scaled_input",), params, standardised(batch))
    plain = trained(params, batch) if found else None
    clipped = train(params, batch, True) if train is not None and clips and "exploding" in kinds else None
    return [
        dataclasses.replace(each, remedies=tuple(_ranked(each, tried, kinds, plain, clipped)), losses=plain)
        for each in found
    ]


def _ranked(
    finding: Finding, tried: list[Tried], kinds: set[str], plain: Losses | None, clipped: Losses | None
) -> list[Remedy]:
    remedies = [_judged(finding, each, kinds) for each in tried if finding.kind in each.mends]
    words = [*finding.remedies, *(Remedy(words, finding.value) for words in _WORDS.get(finding.kind, ()))]
    if clipped is not None and plain is not None and finding.kind == "exploding":
        remedies.append(Remedy(_CLIP, finding.value, None, _falls(clipped) and not clipped[1] >= plain[1], clipped))
        words = [each for each in words if each.name != _CLIP]
    return [*sorted(remedies, key=lambda remedy: not remedy.helps), *words]


def _falls(losses: Losses) -> bool:
    return losses[1] < losses[0]


def _judged(finding: Finding, tried: Tried, known: set[str]) -> Remedy:
    found = examine(tried.evidence)
    again = [each for each in found if each.kind == finding.kind]
    same = next((each for each in again if each.layer == finding.layer), again[0] if again else None)
    after = same.value if same is not None and same.unit == finding.unit else _number(finding, tried.evidence)
    helps = not again and all(each.kind in known for each in found)
    # What mends the number and sends the loss up is no help at this rate.
    helps &= tried.losses is None or _falls(tried.losses)
    return Remedy(tried.name, finding.value, after, helps, tried.losses)


def _number(finding: Finding, seen: Evidence) -> float:
    """The finding's number in other evidence, in which it is none."""
    row = next((row for row in seen.rows if row.name == finding.layer), None)
    norms = [row.gradient_norm for row in seen.rows if row.feeds and row.gradient_norm > 0]
    if finding.kind in ("vanishing", "exploding"):
        line = [n for n in row.turns if n > 0] if row is not None and "turn" in finding.unit else norms
        return slope_of(line) * (len(line) - 1 if "over all" in finding.unit else 1)
    names = {"symmetric_init": "distinct", "dead_units": "dead", "saturation": "saturated"}
    if row is not None and finding.kind in names:
        return float(getattr(row, names[finding.kind]))
    if finding.kind == "rank_collapse":
        ranks = [row.rank for row in seen.rows if row.rank > 0 and row.feeds]
        return ranks[-1] / ranks[0] if ranks else float("nan")
    return float(np.sqrt(np.mean(seen.inputs[0] ** 2))) if seen.inputs else float("nan")


_CLIP = "chain(ClipByGlobalNorm(1.0), rule)"
_WORDS = {
    "vanishing": (
        "an activation whose slope is near 1 (relu, gelu) in place of a sigmoid",
        "residual branches, or normalised layers",
    ),
    "exploding": (_CLIP, "residual branches, or normalised layers"),
    "dead_units": ("leaky_relu or gelu, whose slope below 0 is not 0", "a lower learning rate"),
    "saturation": ("normalised layers before the activation",),
    "rank_collapse": ("residual branches, or normalised layers",),
    "unreached_parameters": ("use the parameter in the loss, or leave it out of the tree",),
}
