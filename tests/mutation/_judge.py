"""Says whether the suite's witnesses tell a broken rule from the right one: what a certificate would see, step by step."""

from functools import cache

import jax
import numpy as np

from gdfunc import parity, rules
from gdfunc.core import call_update
from gdfunc.parity._divergence import unit
from gdfunc.parity._modes import MODES
from gdfunc.parity._run import _loops, rows, scan
from gdfunc.parity._stream import extras
from gdfunc.parity._twins import fields
from gdfunc.parity._witnesses import paper_updates, witness_updates

RECORDS = rules.records()
FLOAT32, FLOAT64 = MODES[0], MODES[-1]


def killed_by(name, mutate):
    """The setting, the witness and the precision that tell the broken rule from the right one; None where none does.

    Args:
        name: a record's.
        mutate: takes a setting and returns the broken rule, or None where this setting has nothing to break.
    """
    known, broken = RECORDS[name], {}
    for i, settings in enumerate(known.settings):
        made = mutate(settings)
        if made is not None:
            broken[i] = made
    for at in (FLOAT64, FLOAT32):  # float32 for what differs by rounding alone
        for i, rule in broken.items():
            made = Updates(rule, name, i, at)
            for witness in ("paper", *(twin.name for twin in known.twins)):
                if parts(made, witness) and not honest(name, i, witness, at):
                    return i, witness, at.name
    return None


@cache
def honest(name, i, witness, at):
    """Whether the unbroken rule parts from the witness too."""
    return parts(Updates(RECORDS[name].make(**RECORDS[name].settings[i]), name, i, at), witness)


def parts(made, witness):
    """Whether updates part from a witness's by more than its tolerance at any step; False where there is no such witness."""
    theirs = updates(made.name, made.i, witness, made.at)
    if theirs is None:
        return False
    errors = tolerance(made.name, made.i, witness, made.at) * growth(made.name, made.i, made.at)
    allowed = {leaf: errors * unit(u, made.at) for leaf, u in theirs.items()}
    try:
        return any(
            np.any(~(np.abs(u[leaf] - theirs[leaf][t]) <= allowed[leaf])) for t, u in enumerate(made) for leaf in theirs
        )
    except (ValueError, TypeError, IndexError):  # shapes that do not match are refused
        return True


class Updates:
    """A rule's updates on the stream, step by step, each made when it is asked for and then kept.

    Operation by operation, so that most broken rules are found out by a step or two and nothing is compiled; but a loop or
    a branch, which outside jit would be compiled anew at every update, as one program.
    """

    def __init__(self, rule, name, i, at):
        self.name, self.i, self.at, self.kept = name, i, at, []
        self.rest = self._compiled(rule) if loops(name, i) else self._one_by_one(rule)

    def __iter__(self):
        yield from self.kept
        with self.at():
            for u in self.rest:
                self.kept.append(u)
                yield u

    def _one_by_one(self, rule):
        state = rule.init(steps(self.at)[0][0][2])
        for row, beyond in steps(self.at):
            u, state = call_update(rule, row[1], state, row[2], beyond)
            yield jax.tree.map(np.asarray, u)

    def _compiled(self, rule):
        u = jax.tree.map(np.asarray, compiled(rule, stream(self.at)))
        yield from ({leaf: x[t] for leaf, x in u.items()} for t in range(len(steps(self.at))))


@jax.jit
def compiled(rule, inputs):
    """The updates of all steps; compiled once for all numbers of a rule."""
    return scan({"it": rule}, inputs)[1]["it"]


@cache
def loops(name, i):
    """Whether the formula holds a loop or a branch."""
    with FLOAT32():
        return _loops(RECORDS[name].make(**RECORDS[name].settings[i]), stream(FLOAT32))


@cache
def stream(at):
    """What a rule is given: values, gradients, parameters, curvatures and keys, each (steps, ...)."""
    with at():
        return rows(parity.stream(), at)


@cache
def steps(at):
    """The same, (a row, what goes beyond gradients) a step."""
    inputs = stream(at)
    with at():
        found = (jax.tree.map(lambda x, t=t: x[t], inputs) for t in range(len(inputs[0])))
        return [(row, extras(*row)) for row in found]


@cache
def updates(name, i, witness, at):
    """What a witness makes of a record's setting; None where it has none."""
    known, settings = RECORDS[name], RECORDS[name].settings[i]
    if witness == "paper":
        return paper_updates(known, settings, at)
    twin = next(twin for twin in known.twins if twin.name == witness)
    found = witness_updates(known, twin, settings, at)
    return (
        None
        if found is None
        else {leaf: u for leaf, u in found.items() if twin.takes is None or twin.takes(u.shape[1:])}
    )


@cache
def tolerance(name, i, witness, at):
    """In rounding errors: the certificate's, or the most that the record expects of a witness known to deviate."""
    known, ours = RECORDS[name], fields(RECORDS[name].make(**RECORDS[name].settings[i]))
    expected = (
        deviation.sizes[at.name][1]
        for deviation in known.deviations
        if deviation.twin == witness and at.name in deviation.sizes
        if all(ours[field] == value for field, value in deviation.settings.items())
    )
    return next(expected, parity.TOLERANCE)


@cache
def growth(name, i, at):
    """The unit of an ill-conditioned rule's errors, as in its certificate; 1 for all others."""
    if not RECORDS[name].ill_conditioned:
        return 1.0
    return parity.growth(RECORDS[name].make(**RECORDS[name].settings[i]), at)
