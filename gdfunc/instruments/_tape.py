"""A loss run operation by operation on the numbers at hand, every one of them kept."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..core import jaxpr as jx
from ._program import Op
from ._site import Site

# What values went through last: (the step's number, the layer), or these before the first layer.
DATA, PARAMETER = -2, -1
Home = tuple[int, str]


class Place(NamedTuple):
    """Where in the program a step stands."""

    direction: str = "forward"
    primitive: str = ""
    function: str = ""
    line: str = ""
    turns: tuple[int, ...] = ()
    home: Home | None = None  # of every step here; None: each takes its inputs'
    detail: bool = False  # inside a call that is differentiated as a whole

    def at(self, eqn: Any) -> "Place":
        """At an equation. Those of JAX's own functions know no line of the user's: theirs is the call's."""
        known = self.line if self.direction == "backward" else jx.source_line(eqn) or self.line
        return self._replace(primitive=eqn.primitive.name, line=known)

    def within(self, eqn: Any) -> "Place":
        """Inside the function that an equation calls."""
        return self._replace(function=jx.called_name(eqn)) if self.direction == "forward" else self


class Step(NamedTuple):
    """One operation that was run: the numbers of the values that it took and gave."""

    run: Callable[[list], list]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: Place
    home: Home
    eqn: Any = None
    back: Callable[[list], list] | None = None  # cotangents of all outputs -> of all inputs, where it is known


class Tape:
    """Everything that was computed, in the order of the run."""

    def __init__(self, sites: dict[int, Site]):
        self.sites = sites
        self.values: list[Any] = []
        self.homes: list[Home] = []
        self.constants: set[int] = set()
        self.fixed: set[int] = set()  # the constants, and what is made of them alone
        self.steps: list[Step] = []
        self.linear: list[Step] = []  # those that are differentiated one by one
        self.pullbacks: dict[tuple, tuple] = {}

    def node(self, value: Any, home: Home = (DATA, "")) -> int:
        self.values.append(jnp.asarray(value))
        self.homes.append(home)
        return len(self.values) - 1

    def constant(self, value: Any) -> int:
        n = self.node(value)
        self.constants.add(n)
        self.fixed.add(n)
        return n

    def step(self, run: Callable, inputs: Iterable[int], place: Place, eqn: Any = None, back: Any = None) -> list[int]:
        """Runs an operation, and keeps it."""
        inputs = tuple(inputs)
        home = place.home or max((self.homes[n] for n in inputs), default=(DATA, ""))
        outputs = tuple(self.node(x, home) for x in run([self.values[n] for n in inputs]))
        if self.fixed.issuperset(inputs):
            self.fixed.update(outputs)
        self.steps.append(Step(run, inputs, outputs, place, home, eqn, back))
        if place.direction == "forward" and not place.detail:
            self.linear.append(self.steps[-1])
        return list(outputs)

    def walk(self, program: Any, inputs: list[int], place: Place, ops: Iterator[Op] = iter(())) -> list[int]:
        """Runs a jaxpr; `ops` are its equations as the sites know them, where they do."""
        jaxpr, consts = jx.open_jaxpr(program)
        env = dict(zip(jaxpr.constvars, map(self.constant, consts), strict=True))
        env |= dict(zip(jaxpr.invars, inputs, strict=True))

        def look(v: Any) -> int:
            return self.constant(jnp.asarray(v.val, v.aval.dtype)) if isinstance(v, jx.Literal) else env[v]

        for eqn in jaxpr.eqns:
            taken, here = [look(v) for v in eqn.invars], place.at(eqn)
            called = eqn.primitive.name in jx.CALLS
            inlined = called and not jx.is_pointwise(eqn)
            op = None if inlined else next(ops, None)
            if called:
                inside = ops if inlined else iter(())
                given = self.walk(jx.inner_jaxprs(eqn)[0], taken, here.within(eqn), inside)
            else:
                given = self.give(eqn, taken, here, op)
            env |= dict(zip(eqn.outvars, given, strict=True))
        return [look(v) for v in jaxpr.outvars]

    def give(self, eqn: Any, inputs: list[int], place: Place, op: Op | None) -> list[int]:
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

    def custom(self, eqn: Any, inputs: list[int], place: Place) -> list[int]:
        """A function with a derivative of its own: run one by one, differentiated as a whole."""
        found = self.walk(jx.inner_jaxprs(eqn)[0], inputs, place._replace(detail=True))
        # Values of its own, so that a gradient meets the function's derivative and no operation inside.
        outputs = [self.step(list, [n], place._replace(detail=True))[0] for n in found]
        if place.direction == "forward" and not place.detail:
            home = max(self.homes[n] for n in outputs)
            self.linear.append(Step(partial(jx.bind, eqn), tuple(inputs), tuple(outputs), place, home, eqn))
        return outputs

    def scan(self, eqn: Any, inputs: list[int], place: Place, ops: list[Op]) -> list[int]:
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

    def rows(self, x: int, place: Place) -> list[int]:
        """The rows of an array, one a turn; those of a parameter are named by their number."""
        rows = self.step(lambda values: list(values[0]), [x], place, back=lambda cts: [jnp.stack(cts)])
        order, name = self.homes[x]
        if order == PARAMETER:
            for i, row in enumerate(rows):
                self.homes[row] = (order, f"{name}[{i}]")
        return rows

    def loop(self, eqn: Any, inputs: list[int], place: Place) -> list[int]:
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


def _layer(site: Site, turns: tuple[int, ...]) -> str:
    return site.name + "".join(f"[{i}]" for level, i in zip(site.levels, turns, strict=False) if level.layers)


def _where(values: list) -> list:
    going, new, old = values
    return [jnp.where(jnp.expand_dims(going, range(going.ndim, new.ndim)), new, old)]


def inexact(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)
