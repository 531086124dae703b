"""The first operation that makes a loss or a gradient NaN or infinite, found by replaying the loss one operation at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core as jex

from ..core import Tree, jaxpr as jx, leaf_paths
from ._program import Op, is_pointwise
from ._sites import Site
from ._trace import trace

Range = tuple[float, float]
_OWN = "derivative of "


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
        own = self.function.startswith(_OWN)
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
        tape = _Tape({id(site.op): site for site in traced.sites})
        paths = leaf_paths(params)
        weights = [tape.node(x, (_PARAMETER, path)) for x, path in zip(jax.tree.leaves(params), paths, strict=True)]
        data = [tape.node(x) for x in jax.tree.leaves(batch)]
        program = jax.make_jaxpr(loss_fn)(params, batch)  # as traced, but with the calls' names and lines
        loss = tape.walk(program, weights + data, _Place(), iter(traced.program.ops))[0]
        wrong = {"the loss": loss}
        if not _bad(tape.values[loss]).any():
            gradients = zip(paths, tape.pull_back(loss, weights), strict=True)
            wrong = {path: n for path, n in gradients if n is not None and _bad(tape.values[n]).any()}
        given = [("parameters", path, n) for path, n in zip(paths, weights, strict=True)]
        given += [("batch", path, n) for path, n in zip(leaf_paths(batch), data, strict=True)]
        return _finding(tape, wrong, given) if wrong else None


def _finding(tape: "_Tape", wrong: dict[str, int], given: list[tuple[str, str, int]]) -> NonFinite:
    """The finding for values that are not finite, by name, where the program was given (direction, path, value)."""
    blamed, entries = _blame(tape, wrong.values())
    nan = {n for n, mine in entries.items() if np.isnan(_numbers(tape.values[n])[mine]).any()}
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
    tape: "_Tape",
    entries: dict[int, np.ndarray],
    reached: tuple[str, ...],
    step: "_Step | None",
    direction: str,
    layer: str,
    nodes: list[int],
) -> NonFinite:
    numbers = np.concatenate([_numbers(tape.values[n]).ravel() for n in nodes])
    mine = numbers[np.concatenate([entries[n].ravel() for n in nodes])]
    tests = {"NaN": np.isnan, "+Inf": lambda x: x == np.inf, "-Inf": lambda x: x == -np.inf}
    kind = next(kind for kind, test in tests.items() if test(mine).any())
    place = step.place if step else _Place()
    ranges = lambda nodes: tuple(_range(tape.values[n]) for n in nodes if _inexact(tape.values[n]))  # noqa: E731
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


def _blame(tape: "_Tape", targets: Iterable[int]) -> tuple[list[tuple["_Step", list[int]]], dict[int, np.ndarray]]:
    """The steps that the targets go back to, in the order of the run, each with its inputs at fault; the bad entries."""
    entries = {n: _bad(tape.values[n]) for n in targets}
    steps = []
    for step in reversed(tape.steps):
        if any(n in entries for n in step.outputs):
            causes = _causes(tape, step, entries)
            entries |= {n: entries.get(n, False) | mine for n, mine in causes.items()}
            steps.append((step, list(causes)))
    return steps[::-1], entries


def _causes(tape: "_Tape", step: "_Step", entries: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The inputs at fault: without whose bad entries the outcome is better, or else which alone make it bad."""
    bad = {n: _bad(tape.values[n]) for n in step.inputs}
    theirs = [entries[n] for n in step.outputs if n in entries]
    if step.eqn is not None and is_pointwise(step.eqn):  # only through the same entries
        alike = lambda mine: all(e.shape == mine.shape for e in theirs)  # noqa: E731
        bad = {n: mine & np.any(theirs, axis=0) if alike(mine) else mine for n, mine in bad.items()}
    bad = {n: mine for n, mine in bad.items() if mine.any()}

    def harm(change: Callable[[int, Any], Any]) -> int:
        out = step.run([change(n, tape.values[n]) for n in step.inputs])
        mine = [_numbers(x)[entries[n]] for n, x in zip(step.outputs, out, strict=True) if n in entries]
        return sum(int((~np.isfinite(x)).sum() + np.isnan(x).sum()) for x in mine)  # a NaN is worse

    if not bad:
        return {}
    before = harm(lambda n, x: x)
    found = [n for n in bad if harm(lambda m, x, n=n: _mended(x) if m == n else x) < before]
    if not found:  # there is enough without any one of them, as in inf + inf
        found = [n for n in bad if harm(lambda m, x, n=n: _mended(x, kept=_bad(x) & (m == n)))]
    return {n: bad[n] for n in found}


# What values went through last: (the step's number, the layer), or these before the first layer.
_DATA, _PARAMETER = -2, -1
_Home = tuple[int, str]


class _Place(NamedTuple):
    """Where in the program a step stands."""

    direction: str = "forward"
    primitive: str = ""
    function: str = ""
    line: str = ""
    turns: tuple[int, ...] = ()
    home: _Home | None = None  # of every step here; None: each takes its inputs'
    detail: bool = False  # inside a call that is differentiated as a whole

    def at(self, eqn: Any) -> "_Place":
        """At an equation. Those of JAX's own functions know no line of the user's: theirs is the call's."""
        known = self.line if self.direction == "backward" else jx.source_line(eqn) or self.line
        return self._replace(primitive=eqn.primitive.name, line=known)

    def within(self, eqn: Any) -> "_Place":
        """Inside the function that an equation calls."""
        return self._replace(function=_called(eqn)) if self.direction == "forward" else self


class _Step(NamedTuple):
    """One operation that was run: the numbers of the values that it took and gave."""

    run: Callable[[list], list]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: _Place
    home: _Home
    eqn: Any = None
    back: Callable[[list], list] | None = None  # cotangents of all outputs -> of all inputs, where it is known


class _Tape:
    """Everything that was computed, in the order of the run."""

    def __init__(self, sites: dict[int, Site]):
        self.sites = sites
        self.values: list[Any] = []
        self.homes: list[_Home] = []
        self.constants: set[int] = set()
        self.fixed: set[int] = set()  # the constants, and what is made of them alone
        self.steps: list[_Step] = []
        self.linear: list[_Step] = []  # those that are differentiated one by one
        self.pullbacks: dict[tuple, tuple] = {}

    def node(self, value: Any, home: _Home = (_DATA, "")) -> int:
        self.values.append(jnp.asarray(value))
        self.homes.append(home)
        return len(self.values) - 1

    def constant(self, value: Any) -> int:
        n = self.node(value)
        self.constants.add(n)
        self.fixed.add(n)
        return n

    def step(self, run: Callable, inputs: Iterable[int], place: _Place, eqn: Any = None, back: Any = None) -> list[int]:
        """Runs an operation, and keeps it."""
        inputs = tuple(inputs)
        home = place.home or max((self.homes[n] for n in inputs), default=(_DATA, ""))
        outputs = tuple(self.node(x, home) for x in run([self.values[n] for n in inputs]))
        if self.fixed.issuperset(inputs):
            self.fixed.update(outputs)
        self.steps.append(_Step(run, inputs, outputs, place, home, eqn, back))
        if place.direction == "forward" and not place.detail:
            self.linear.append(self.steps[-1])
        return list(outputs)

    def walk(self, program: Any, inputs: list[int], place: _Place, ops: Iterator[Op] = iter(())) -> list[int]:
        """Runs a jaxpr; `ops` are its equations as the sites know them, where they do."""
        jaxpr, consts = jx.open_jaxpr(program)
        env = dict(zip(jaxpr.constvars, map(self.constant, consts), strict=True))
        env |= dict(zip(jaxpr.invars, inputs, strict=True))

        def look(v: Any) -> int:
            return self.constant(jnp.asarray(v.val, v.aval.dtype)) if isinstance(v, jx.Literal) else env[v]

        for eqn in jaxpr.eqns:
            taken, here = [look(v) for v in eqn.invars], place.at(eqn)
            called = eqn.primitive.name in jx.CALLS
            inlined = called and not is_pointwise(eqn)
            op = None if inlined else next(ops, None)
            if called:
                inside = ops if inlined else iter(())
                given = self.walk(jx.inner_jaxprs(eqn)[0], taken, here.within(eqn), inside)
            else:
                given = self.give(eqn, taken, here, op)
            env |= dict(zip(eqn.outvars, given, strict=True))
        return [look(v) for v in jaxpr.outvars]

    def give(self, eqn: Any, inputs: list[int], place: _Place, op: Op | None) -> list[int]:
        """Runs an equation, and what is inside it one by one."""
        name, inner = eqn.primitive.name, jx.inner_jaxprs(eqn)
        ops = [block.ops for block in op.blocks] if op and op.blocks else [[]] * len(inner)
        if (site := self.sites.get(id(op))) is not None:
            place = place._replace(home=(len(self.steps), _layer(site, place.turns)))
        if name == "scan" and eqn.params["length"]:
            return self.scan(eqn, inputs, place, ops[0])
        if name == "while":
            return self.loop(eqn, inputs, place)
        if name == "cond":
            taken = int(np.clip(self.values[inputs[0]], 0, len(inner) - 1))
            return self.walk(inner[taken], inputs[1:], place, iter(ops[taken]))
        if name in ("remat2", "checkpoint", "remat"):
            return self.walk(inner[0], inputs, place, iter(ops[0]))
        if name.startswith("custom_") and inner:
            return self.custom(eqn, inputs, place.within(eqn))
        return self.step(partial(jx.bind, eqn), inputs, place, eqn)

    def custom(self, eqn: Any, inputs: list[int], place: _Place) -> list[int]:
        """A function with a derivative of its own: run one by one, differentiated as a whole."""
        found = self.walk(jx.inner_jaxprs(eqn)[0], inputs, place._replace(detail=True))
        # Values of its own, so that a gradient meets the function's derivative and no operation inside.
        outputs = [self.step(list, [n], place._replace(detail=True))[0] for n in found]
        if place.direction == "forward" and not place.detail:
            home = max(self.homes[n] for n in outputs)
            self.linear.append(_Step(partial(jx.bind, eqn), tuple(inputs), tuple(outputs), place, home, eqn))
        return outputs

    def scan(self, eqn: Any, inputs: list[int], place: _Place, ops: list[Op]) -> list[int]:
        n, m = jx.scan_counts(eqn)
        length, body = eqn.params["length"], jx.inner_jaxprs(eqn)[0]
        rows = [self.rows(x, place) for x in inputs[n + m :]]
        carry, ys = inputs[n : n + m], [[]] * length
        for i in range(length)[:: -1 if eqn.params["reverse"] else 1]:
            taken = [*inputs[:n], *carry, *(row[i] for row in rows)]
            out = self.walk(body, taken, place._replace(turns=(*place.turns, i)), iter(ops))
            carry, ys[i] = out[:m], out[m:]
        for column in zip(*ys, strict=True):
            carry = carry + self.step(lambda y: [jnp.stack(y)], column, place, back=lambda cts: list(cts[0]))
        return carry

    def rows(self, x: int, place: _Place) -> list[int]:
        """The rows of an array, one a turn; those of a parameter are named by their number."""
        rows = self.step(lambda values: list(values[0]), [x], place, back=lambda cts: [jnp.stack(cts)])
        order, name = self.homes[x]
        if order == _PARAMETER:
            for i, row in enumerate(rows):
                self.homes[row] = (order, f"{name}[{i}]")
        return rows

    def loop(self, eqn: Any, inputs: list[int], place: _Place) -> list[int]:
        n = eqn.params["cond_nconsts"]
        m = n + eqn.params["body_nconsts"]
        test, consts, carry, turn = inputs[:n], inputs[n:m], inputs[m:], 0
        while True:
            here = place._replace(turns=(*place.turns, turn))
            (more,) = self.walk(eqn.params["cond_jaxpr"], [*test, *carry], here)
            if not self.values[more].any():
                return carry
            after = self.walk(eqn.params["body_jaxpr"], [*consts, *carry], here)
            if self.values[more].ndim:  # under vmap one may go on while another has done
                after = [self.step(_where, [more, *each], here)[0] for each in zip(after, carry, strict=True)]
            carry, turn = after, turn + 1

    def pull_back(self, loss: int, weights: list[int]) -> list[int | None]:
        """The loss's gradients with respect to the weights; None where it does not depend on one."""
        active = set(weights)
        for step in self.linear:
            wanted, given = self.differentiable(step, active)
            if wanted and given:
                reach = self.pullback(step, wanted, given)[1]
                active |= {step.outputs[k] for k, reached in zip(given, reach, strict=True) if any(reached)}
        cts = {loss: self.constant(jnp.ones_like(self.values[loss]))} if loss in active else {}
        for step in reversed(self.linear):
            wanted, given = self.differentiable(step, active)
            given = tuple(k for k in given if step.outputs[k] in cts)
            if wanted and given:
                self.pull_back_step(step, wanted, given, cts)
        return [cts.get(n) for n in weights]

    def pull_back_step(self, step: _Step, wanted: tuple, given: tuple, cts: dict[int, int]) -> None:
        back, reach = self.pullback(step, wanted, given)
        place = step.place._replace(direction="backward", home=step.home)
        inputs = [*step.inputs, *(cts[step.outputs[k]] for k in given)]
        if step.eqn is not None and step.eqn.primitive.name.startswith("custom_"):
            out = self.walk(back, inputs, place._replace(function=f"{_OWN}{step.place.function}"))
        else:
            run = back if callable(back) else lambda values: list(jex.jaxpr_as_fun(back)(*values))
            out = self.step(run, inputs, place, step.eqn)
        for i, ct, *reached in zip(wanted, out, *reach, strict=True):
            n = step.inputs[i]
            if any(reached):
                both = place._replace(primitive="add_any", home=self.homes[n])
                cts[n] = ct if n not in cts else self.step(lambda x: [x[0] + x[1]], [cts[n], ct], both)[0]

    def differentiable(self, step: _Step, active: set[int]) -> tuple[tuple, tuple]:
        """Which inputs depend on a parameter, and which outputs may."""
        wanted = tuple(i for i, n in enumerate(step.inputs) if n in active)
        return wanted, tuple(k for k, n in enumerate(step.outputs) if _inexact(self.values[n]))

    def pullback(self, step: _Step, wanted: tuple, given: tuple) -> tuple[Any, list[list[bool]]]:
        """((inputs, given cotangents) -> wanted cotangents, which [given][wanted] are more than zeros of JAX's)."""
        if step.back is not None:
            return partial(self.known, step, wanted, given), [[True] * len(wanted)] * len(given)
        key = (id(step.eqn) if step.eqn else step.inputs, wanted, given)
        if key not in self.pullbacks:
            values, outputs = [self.values[n] for n in step.inputs], [self.values[step.outputs[k]] for k in given]
            program = jax.make_jaxpr(partial(_transposed, step.run, wanted, given))(values, outputs)
            jaxpr = jx.open_jaxpr(program)[0]
            self.pullbacks[key] = program, [_reached(jaxpr, ct) for ct in jaxpr.invars[len(values) :]]
        return self.pullbacks[key]

    def known(self, step: _Step, wanted: tuple, given: tuple, values: list) -> list:
        cts = dict(zip(given, values[len(step.inputs) :], strict=True))
        blanks = (jnp.zeros_like(self.values[n]) for n in step.outputs)
        out = step.back([cts.get(k, blank) for k, blank in enumerate(blanks)])  # pyright: ignore[reportOptionalCall]
        return [out[i] for i in wanted]


def _transposed(run: Callable, wanted: tuple, given: tuple, values: list, cts: list) -> tuple:
    def forward(*floats: Any) -> list:
        mixed = dict(zip(wanted, floats, strict=True))
        out = run([mixed.get(i, x) for i, x in enumerate(values)])
        return [out[k] for k in given]

    return jax.vjp(forward, *(values[i] for i in wanted))[1](cts)


def _reached(jaxpr: Any, start: Any) -> list[bool]:
    """Which outputs depend on an input."""
    seen = {start}
    for eqn in jaxpr.eqns:
        if any(v in seen for v in eqn.invars if not isinstance(v, jx.Literal)):
            seen.update(eqn.outvars)
    return [not isinstance(v, jx.Literal) and v in seen for v in jaxpr.outvars]


def _layer(site: Site, turns: tuple[int, ...]) -> str:
    return site.name + "".join(f"[{i}]" for level, i in zip(site.levels, turns, strict=False) if level.layers)


def _called(eqn: Any) -> str:
    return jx.called_name(eqn) or getattr(jx.open_jaxpr(jx.inner_jaxprs(eqn)[0])[0].debug_info, "func_name", "")


def _where(values: list) -> list:
    going, new, old = values
    return [jnp.where(jnp.expand_dims(going, range(going.ndim, new.ndim)), new, old)]


def _inexact(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _numbers(x: Any) -> np.ndarray:
    """As NumPy computes with: of 32 bits or more, a complex number by its absolute value."""
    x = jnp.abs(x) if jnp.iscomplexobj(x) else x
    return np.asarray(x.astype(jnp.float32) if x.dtype.itemsize < 4 else x)


def _bad(x: Any) -> np.ndarray:
    return ~np.isfinite(_numbers(x)) if _inexact(x) else np.zeros(x.shape, bool)


def _mended(x: Any, kept: np.ndarray | None = None) -> Any:
    """Ordinary numbers in place of NaN and infinities, or of all but the entries that are kept."""
    if not _inexact(x):
        return x
    # One half: in the domain of roots, logarithms and inverse functions, and no zero to divide by.
    return jnp.where(jnp.isfinite(x) if kept is None else kept, x, jnp.asarray(0.5, x.dtype))


def _range(x: Any) -> Range:
    numbers = _numbers(x)
    numbers = numbers[~np.isnan(numbers)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (np.nan, np.nan)
