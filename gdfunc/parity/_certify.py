"""A certificate: one rule at all of its record's settings, against the paper and against every witness."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from ..core import Record, Rule, Transformation, Twin, call_update, did_you_mean
from ..rules import record as find_record
from ._compare import describe, difference, run_all
from ._divergence import largest
from ._functions import catalogue, certify_function
from ._growth import growths
from ._modes import MODES, Mode
from ._recorded import key, recorded
from ._rows import Certificate, Row, in_words, judge, versions
from ._stream import stream
from ._twins import Some, build, fields, translate
from ._witnesses import transcribe

EAGER_STEPS = 3


def certify(
    name: str | Any,
    *,
    paper: Callable[..., Any] | None = None,
    witness: Any = None,
    quick: bool = False,
) -> Certificate:
    """Checks the rule called `name` at every setting of its record: L0, L1 and L2, in three precisions, jit and eager.

    L0 holds it against the NumPy transcription of its paper; L1 makes one step from the witness's own state, at every
    step of the run; L2 runs both freely on common gradients. PyTorch's side was recorded.

    Schedules, losses, initialisers and clippings (`losses.huber`) are held by their values against their formula in NumPy
    and against their twins.

    A rule of your own is given itself, with the paper's formula in NumPy, a witness, or both:
    `certify(my_rule, paper=my_numpy_function, witness=optax.adam(1e-3))`.

    Args:
        name: a rule's lower-case name, another part's with its folder, or a rule (anything with Optax's two methods).
        paper: for a rule of your own: (gradients, params, **some of its fields) -> updates, in NumPy, where gradients
            and params are arrays (steps, ...); of one leaf for an `ArrayRule` or a pair of functions, dictionaries of
            all leaves for a rule that sees the whole tree.
        witness: for a rule of your own: a rule or transformation that it should equal.
        quick: compiled runs only.

    Returns:
        The `Certificate`; `passes` is False where anything differs that the record does not expect, and where a
        deviation that it expects has gone.

    Raises:
        ValueError: on an unknown name.
    """
    if not isinstance(name, str):
        return _certify_own(name, paper, witness, quick)
    if paper is not None or witness is not None:
        raise ValueError(f"certify has the paper and the witnesses of {name!r} in its record: give a rule of your own")
    folder, dot, part = name.rpartition(".")
    if dot:
        if part not in catalogue(folder):
            raise did_you_mean(folder, part, catalogue(folder))
        return certify_function(folder, catalogue(folder)[part])
    return _certify(find_record(name), quick)


def _certify_own(thing: Any, paper: Callable[..., Any] | None, witness: Any, quick: bool) -> Certificate:
    """The certificate of a rule that has no record: one setting, its own."""
    for each in (thing, *([] if witness is None else [witness])):
        if not isinstance(each, Transformation) or isinstance(each, type):
            raise ValueError(f"certify needs a rule (an object with init and update) or a name, and was given {each!r}")
    if paper is None and witness is None:
        raise ValueError("certify needs paper= or witness= to hold a rule of your own against, and was given neither")
    named = type(thing).__name__ if isinstance(thing, Rule) else describe(thing)
    known = Record(named, "your own", (), make=lambda: thing, transcription=paper)
    return _certify(known, quick, {} if witness is None else {describe(witness): witness})


def _certify(known: Record, quick: bool, witnesses: Mapping[str, Any] | None = None) -> Certificate:
    data = stream()
    ours = {f"ours {i}": known.make(**given) for i, given in enumerate(known.settings)}
    rows: list[Row] = []
    without: dict[str, str] = dict(known.no_twin)
    twins: dict[str, Any] = {f"{name} 0": thing for name, thing in (witnesses or {}).items()}
    beside: dict[str, _Resynchronised] = {}
    for i, rule in enumerate(ours.values()):
        for twin in known.twins:
            arguments = twin.arguments(**fields(rule))
            if isinstance(arguments, str):
                without[f"{in_words(known.settings[i])} in {twin.name}"] = arguments
            elif twin.library == "optax":
                built = Some(build(twin, rule), twin.takes)
                twins[f"{twin.name} {i}"] = built
                if (pair := _Resynchronised(built, rule, twin)).possible:
                    beside[f"{twin.name} {i}"] = pair
    for mode in MODES:
        sizes: dict[str, dict[str, float]] = {}
        grown = growths(ours, data, mode) if known.ill_conditioned else dict.fromkeys(ours, 1.0)
        papers = {i: transcribe(known, ours[f"ours {i}"], given, data, mode) for i, given in enumerate(known.settings)}
        for jit in (True,) if quick else (True, False):
            # Operation by operation is slow, and rounds no worse at a later step: a few steps are enough, in the same unit.
            part = data if jit else data.first(EAGER_STEPS)
            updates = run_all({**ours, **twins, **(beside if jit else {})}, part, mode, jit)
            for i, given in enumerate(known.settings):
                rule, mine = ours[f"ours {i}"], updates[f"ours {i}"]
                if jit:
                    sizes[f"ours {i}"] = {leaf: largest(u) for leaf, u in mine.items()}
                own = {} if jit else sizes[f"ours {i}"]
                new = _Rows(known, given, rule, mode, "jit" if jit else "eager", grown[f"ours {i}"], own)
                if (paper := papers[i]) is not None:
                    rows.append(new.row("L0", "paper", mine, {leaf: u[: part.steps] for leaf, u in paper.items()}))
                rows.extend(new.row("L2", name, mine, updates[f"{name} 0"]) for name in witnesses or {})
                for twin in known.twins:
                    theirs: Any
                    if twin.library == "torch":
                        theirs = recorded(key("rules", known.name, twin.name, given, mode.dtype))
                    else:
                        theirs = updates.get(f"{twin.name} {i}")
                    if theirs is None:
                        continue
                    if "from its state" in theirs:
                        rows.append(new.row("L1", twin.name, theirs["from its state"], theirs["update"]))
                        theirs = theirs["update"]
                    theirs = {leaf: u[: part.steps] for leaf, u in theirs.items()}
                    rows.append(new.row("L2", twin.name, mine, theirs))
    for each in known.settings:
        if not any(row.settings == dict(each) for row in rows):
            without[in_words(each)] = "no witness has this setting"
    return Certificate(known.name, tuple(rows), without, versions())


@dataclass(frozen=True)
class _Rows:
    known: Record
    settings: Mapping[str, Any]
    rule: Any
    mode: Mode
    run: str
    amplification: float
    sizes: Mapping[str, float]

    def row(self, layer: str, witness: str, mine: Any, theirs: Any) -> Row:
        twin = next((twin for twin in self.known.twins if twin.name == witness), None)
        if twin is not None and twin.takes is not None:
            mine, theirs = ({leaf: u for leaf, u in x.items() if twin.takes(u.shape[1:])} for x in (mine, theirs))
        names = (self.known.name, witness)
        seen = difference(mine, theirs, self.mode, names, amplification=self.amplification, sizes=self.sizes)
        verdict, words = judge(
            self.known, fields(self.rule), witness, self.mode.name, seen.error, whole=self.run == "jit"
        )
        where = "" if seen.step is None else f"step {seen.step}, {seen.leaf}{list(seen.index or ())}"
        return Row(
            name=self.known.name,
            settings=dict(self.settings),
            layer=layer,
            witness=witness,
            mode=self.mode.name,
            run=self.run,
            error=seen.error,
            amplification=self.amplification,
            verdict=verdict,
            where=where or seen.why,
            deviation=words,
        )


class _Resynchronised:
    """Runs the twin, and beside it one step of our rule from the twin's own state: L1."""

    def __init__(self, twin: Some, rule: Any, record: Twin):
        self.twin, self.rule, self.record = twin, rule, record

    @property
    def possible(self) -> bool:
        p = {"x": jnp.zeros(2)}
        return translate(self.record, self.rule, self.twin.init(p), jnp.int32(0), p) is not None

    def init(self, params):
        return jnp.zeros((), jnp.int32), self.twin.init(params)

    def update(self, grads, state, params, **extra):
        step, theirs = state
        after, new = self.twin.update(grads, theirs, params, **extra)
        grads, params = self.twin.of(grads), self.twin.of(params)
        mine = translate(self.record, self.rule, theirs, step, params)
        ours = call_update(self.rule, grads, mine, params, extra)[0]
        return {"update": after, "from its state": ours}, (step + 1, new)
