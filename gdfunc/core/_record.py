"""Records: what the catalogue knows of a rule, loss, schedule, initialiser or clipping, as data.

Tests, the parity table, the command line and the documentation are made from them; none of them names a rule.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Paper:
    """Where a formula comes from."""

    authors: str
    year: int
    title: str
    place: str
    link: str

    def __str__(self) -> str:
        return f"{self.authors} {self.year}, {self.title}, {self.place}, <{self.link}>"


@dataclass(frozen=True)
class Twin:
    """Another library's version, and how to call it.

    Attributes:
        name: its full dotted name, `optax.adam`, `torch.optim.Adam`, `jax.nn.initializers.he_normal`.
        arguments: takes every field of ours by name and returns the twin's keyword arguments, or a sentence (str) that
            says why this setting has no equivalent there.
        memory: for rules: our memory's field -> the field of the twin's state that holds the same number, or a function
            of (a getter of its fields by name, our rule's fields) where it holds it in other units.
        call: for functions: how to get the number that ours returns: takes the twin itself, the positional arguments
            of the record's `example`, and the keywords from `arguments`. None: the twin is called as ours is.
        takes: for rules: whether it has an update for an array of this shape; None where it takes every array.
        note: what a person who ports should know.
    """

    name: str
    arguments: Callable[..., dict[str, Any] | str]
    memory: Mapping[str, str | Callable[..., Any]] = field(default_factory=dict)
    call: Callable[..., Any] | None = None
    takes: Callable[[tuple[int, ...]], bool] | None = None
    note: str = ""

    @property
    def library(self) -> str:
        """The top-level package: `optax`, `torch`, `jax`."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Deviation:
    """A known difference between ours and a twin: expected by the tests, which fail on the day that it is mended.

    Attributes:
        twin: the dotted name of what deviates.
        since: the version in which it was measured.
        what: the difference and its cause in a sentence.
        settings: our settings at which it shows.
        sizes: the (least, most) that the difference may be, by mode ("float32", "float32 (x64)", "float64"), in
            rounding errors of the leaf's largest update (rules) or value (functions). In a mode that is not named the
            two must agree; where none is named, a test shows the difference and no certificate does.
        thread: the public discussion, if any.
    """

    twin: str
    since: str
    what: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    thread: str = ""


@dataclass(frozen=True)
class Record:
    """One entry of a catalogue.

    Attributes:
        name: the lower-case name by which `get` finds it.
        family: a word to group by.
        papers: the sources, the defining one first.
        make: the rule's class, or the function.
        twins: the other libraries' versions.
        no_twin: library -> why it has none.
        settings: the keyword arguments at which parity is run; each argument leaves its default at least once.
        example: for functions: takes a NumPy generator and a dtype and returns the positional arguments at which parity is
            run; hard ones among them (zeros, ties, large values).
        curried: the settings make a function, which is then given the example (schedules, initialisers); otherwise the
            function takes the example and the settings together (losses).
        apply: for functions: how ours is called on the example, where it is not called directly: takes what was made and
            the example.
        transcription: the paper's formula in plain NumPy float64, written without a look at `make`. For rules it takes
            gradients and parameters, (steps, ...) each, and keywords; those of an array, or for a rule that sees the
            whole tree of every leaf by its path. A parameter called `data` is given the stream with the losses,
            curvatures and keys of every step, one called `learning_rates` or `rates` the value of that field at every step.
        deviations: what is known to differ.
        zero_gradient_moves: whether the formula moves a parameter whose gradients are all zero, or a function of the
            rule's fields that says so.
        ill_conditioned: why the formula magnifies rounding (eigenvectors, cancellation), where it does: a certificate
            then counts errors in units of what one rounding of its inputs does to the rule itself.
    """

    name: str
    family: str
    papers: tuple[Paper, ...]
    make: Callable[..., Any]
    twins: tuple[Twin, ...] = ()
    no_twin: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[Mapping[str, Any], ...] = ({},)
    example: Callable[..., tuple] | None = None
    curried: bool = False
    apply: Callable[..., Any] | None = None
    transcription: Callable[..., Any] | None = None
    deviations: tuple[Deviation, ...] = ()
    zero_gradient_moves: bool | Callable[..., bool] = False
    ill_conditioned: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """What the rule's `update` must be given beyond gradients and state, at any of the settings."""
        made = (self.make(**settings) for settings in self.settings)
        return tuple(dict.fromkeys(name for rule in made for name in getattr(rule, "needs", ())))

    def twin(self, library: str) -> Twin | None:
        """The first twin from `library` ("optax", "torch", "jax"), or None."""
        return next((twin for twin in self.twins if twin.library == library), None)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]

    @property
    def formula(self) -> str:
        """The LaTeX between the docstring's `$$`."""
        blocks = re.findall(r"\$\$(.*?)\$\$", inspect.getdoc(self.make) or "", flags=re.DOTALL)
        return blocks[0].strip() if blocks else ""

    @property
    def arguments(self) -> dict[str, str]:
        """Argument -> its line in the docstring's `Args:` (symbol, range, unit, effect)."""
        doc = inspect.getdoc(self.make) or ""
        block = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", doc, flags=re.MULTILINE)
        entries = re.findall(r"^    (\w+): (.*(?:\n      +.*)*)", block.group(1), flags=re.MULTILINE) if block else []
        return {name: re.sub(r"\s+", " ", text) for name, text in entries}
