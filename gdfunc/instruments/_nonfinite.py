"""The first operation that makes a loss or a gradient NaN or infinite, found by replaying the loss one operation at a time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from ..core import Tree, leaf_paths
from ._blame import bad_entries, blame, numbers_of
from ._pullback import OWN, pull_back
from ._tape import PARAMETER, Place, Step, Tape, inexact
from ._trace import trace

Range = tuple[float, float]


@dataclass(frozen=True)
class NonFinite:
    """Where the first NaN or infinity comes from; `str` of it is a sentence.

    Attributes:
        direction: "forward" or "backward"; "parameters", "batch" or "constant" (one of the loss's own) where it was there
            before any operation: then the operation is the one that it first harms.
        primitive: the operation in JAX's words, such as "sqrt"; backward it is the operation whose derivative it is.
            "" where there is none.
        function: the called function around it, such as "log_softmax"; "derivative of f" in the derivative that a
            function brings along as its own (there `primitive` is one of its operations); "" where there is none.
        line: `file.py:47 (function)`, the user's line that it comes from; "" where it is not known.
        layer: the path of the weights that the values went through last, with the turn where layers are stacked in a
            scan (`hidden/weight[3]`); the path of the leaf for "parameters" and "batch"; "" before the first layer.
        turns: the turn of each loop around it, the outermost first; in a scan the row, from 0.
        kind: "NaN", "+Inf" or "-Inf".
        count: the entries of that kind in what it gives,
        size: of so many.
        inputs: the (least, greatest) entry of each floating-point input, NaN apart; () where it was there before.
        gradient: the same of the loss's gradients that reach it; () but for "backward". In a derivative that a function
            brings along they are among the inputs.
        reached: what has become non-finite by it: "the loss", or the paths of the parameters' gradients.
    """

    direction: str
    primitive: str
    function: str
    line: str
    layer: str
    turns: tuple[int, ...]
    kind: str
    count: int
    size: int
    inputs: tuple[Range, ...]
    gradient: tuple[Range, ...]
    reached: tuple[str, ...]

    def __str__(self) -> str:
        entries = f"{self.kind} in {self.count} of {self.size} {'entry' if self.size == 1 else 'entries'}"
        return f"{self.direction}: {self._fault(entries)}; so {self._victims()} not finite"

    def _fault(self, entries: str) -> str:
        if self.direction in ("parameters", "batch", "constant"):
            what = "a constant of the loss" if self.direction == "constant" else repr(self.layer)
            harms = f", which first harms {self._operation()}" if self.primitive else ""
            return f"{what} holds {entries} before any operation{harms}"
        where = f", in layer {self.layer!r}" if self.layer else ", before the first layer"
        where += "".join(f", in turn {turn} of a loop" for turn in self.turns)
        inputs = f": its inputs lie in {_text(self.inputs)}" if self.inputs else ""
        gradient = f", the gradient that reaches it in {_text(self.gradient)}" if self.gradient else ""
        return f"{self._operation(entries)}{where}{inputs}{gradient}"

    def _operation(self, gives: str = "") -> str:
        own = self.function.startswith(OWN)
        what = f"the derivative of {self.primitive}" if self.direction == "backward" and not own else self.primitive
        known = not self.function or f"({self.function})" in self.line
        inside = "" if known else f" in {'the ' * own}{self.function}"
        return what + inside + (f" gives {gives}" if gives else "") + (f" at {self.line}" if self.line else "")

    def _victims(self) -> str:
        first, others = self.reached[0], len(self.reached) - 1
        if first == "the loss":
            return "the loss is"
        if not others:
            return f"the gradient of {first!r} is"
        return f"the gradients of {first!r} and of {others} other{'s' * (others > 1)} are"


def _text(ranges: Iterable[Range]) -> str:
    return " and ".join(f"[{low:.4g}, {high:.4g}]" for low, high in ranges)


def find_nonfinite(loss_fn: Callable, params: Tree, batch: Tree, has_aux: bool = False) -> NonFinite | None:
    """The first operation to which the loss's NaN or infinity goes back; where the loss is finite, the gradients'.

    The loss is run operation by operation: into called functions, recomputation, the branches taken and every turn of
    a loop. If it is finite, the gradients follow, by the derivative of one operation after another. From what came out
    non-finite the search goes back through the entries that made it so, to the first operation. An infinity that is
    meant (a mask's, in a constant or in the batch) is handed on without blame until it turns into a NaN; one that a
    softmax or a `where` absorbs is never met. Parameters that are not finite, and a NaN in the batch, are named before
    any operation. All intermediate values are held at once. A compiled step fuses operations and may round otherwise.

    Args:
        loss_fn: (params, batch) -> a scalar, or (scalar, aux).
        params: a pytree of floating-point arrays.
        batch: a pytree of arrays.
        has_aux: whether `loss_fn` returns (loss, aux); only the loss is looked at.

    Returns:
        The finding, or None where the loss and all gradients are finite. A `shard_map` counts as one operation. Through
        a `while` the gradient is taken turn by turn, where `jax.grad` gives none.

    Raises:
        ValueError: where the parameters are none, or the loss is no scalar.
    """
    traced = trace("find_nonfinite", loss_fn, params, batch, has_aux)
    with jax.debug_nans(False), jax.debug_infs(False):  # they would stop the replay at infinities that are meant
        tape = Tape({id(site.op): site for site in traced.sites})
        paths = leaf_paths(params)
        weights = [tape.node(x, (PARAMETER, path)) for x, path in zip(jax.tree.leaves(params), paths, strict=True)]
        data = [tape.node(x) for x in jax.tree.leaves(batch)]
        program = jax.make_jaxpr(loss_fn)(params, batch)  # as traced, but with the calls' names and lines
        loss = tape.walk(program, weights + data, Place(), iter(traced.program.ops))[0]
        wrong = {"the loss": loss}
        if not bad_entries(tape.values[loss]).any():
            gradients = zip(paths, pull_back(tape, loss, weights), strict=True)
            wrong = {path: n for path, n in gradients if n is not None and bad_entries(tape.values[n]).any()}
        given = [("parameters", path, n) for path, n in zip(paths, weights, strict=True)]
        given += [("batch", path, n) for path, n in zip(leaf_paths(batch), data, strict=True)]
        return _finding(tape, wrong, given) if wrong else None


def _finding(tape: Tape, wrong: dict[str, int], given: list[tuple[str, str, int]]) -> NonFinite:
    """The finding for values that are not finite, by name, where the program was given (direction, path, value)."""
    blamed, entries = blame(tape, wrong.values())
    nan = {n for n, mine in entries.items() if np.isnan(numbers_of(tape.values[n])[mine]).any()}
    report = partial(_report, tape, entries, tuple(wrong))
    given = [leaf for leaf in given if leaf[2] in entries]
    for direction, path, n in given:
        if direction == "parameters" or n in nan:
            harmed = next((step for step, causes in blamed if n in causes), None)
            return report(harmed, direction, path, [n])
    # An infinity made of constants alone is meant too.
    blamed = [(s, causes) for s, causes in blamed if not tape.fixed.issuperset(s.inputs) or nan.intersection(s.outputs)]
    first = [(s, causes) for s, causes in blamed if not causes or nan.intersection(s.outputs)]
    step, causes = next(iter(first or blamed), (None, []))
    if given and (causes or step is None):
        return report(step, *given[0][:2], [given[0][2]])
    if step is None:
        return report(None, "constant", "", list(wrong.values()))
    if constants := [n for n in causes if n in tape.constants and n in nan]:
        return report(step, "constant", step.home[1], constants)
    return report(step, step.place.direction, step.home[1], [n for n in step.outputs if n in entries])


def _report(
    tape: Tape,
    entries: dict[int, np.ndarray],
    reached: tuple[str, ...],
    step: Step | None,
    direction: str,
    layer: str,
    nodes: list[int],
) -> NonFinite:
    numbers = np.concatenate([numbers_of(tape.values[n]).ravel() for n in nodes])
    mine = numbers[np.concatenate([entries[n].ravel() for n in nodes])]
    tests = {"NaN": np.isnan, "+Inf": lambda x: x == np.inf, "-Inf": lambda x: x == -np.inf}
    kind = next(kind for kind, test in tests.items() if test(mine).any())
    place = step.place if step else Place()
    ranges = lambda nodes: tuple(_range(tape.values[n]) for n in nodes if inexact(tape.values[n]))  # noqa: E731
    taken, cotangents = (), ()
    if step and direction in ("forward", "backward"):
        here = len(step.eqn.invars) if step.eqn else len(step.inputs)
        taken, cotangents = ranges(step.inputs[:here]), ranges(step.inputs[here:])
    return NonFinite(
        direction=direction,
        primitive=place.primitive,
        function=place.function,
        line=place.line,
        layer=layer,
        turns=place.turns,
        kind=kind,
        count=int(tests[kind](numbers).sum()),
        size=numbers.size,
        inputs=taken,
        gradient=cotangents,
        reached=reached,
    )


def _range(x: Any) -> Range:
    numbers = numbers_of(x)
    numbers = numbers[~np.isnan(numbers)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (np.nan, np.nan)
