"""Reads a line of code (never runs it) and says it in another library's words."""

from ..core import did_you_mean
from ._translate import Translation, written
from ._translate_reader import Reader
from ._translate_write import LINES


def port(text: str, *, to: str = "optax") -> Translation:
    """A line of PyTorch, Optax, Keras or gdfunc as a line of another: `port("torch.optim.AdamW(params, lr=1e-3)", to="optax")`.

    The line is read, not run: calls by their dotted names, numbers, arithmetic on them, strings, tuples, lists and
    dictionaries. What PyTorch's take first (`model.parameters()`, the optimizer) is left out. There may be several
    lines: schedules with a name of their own, or PyTorch's optimizer, scheduler and clipping.

    Args:
        text: the code.
        to: "optax", "torch", "keras" or "gdfunc".

    Returns:
        The `Translation`: our rule, the other library's line, and what to know of both sides.

    Raises:
        ValueError: where the text cannot be read, pointing there, and on unknown names, arguments and bad numbers.
    """
    if to not in LINES:
        raise did_you_mean("port, as to,", to, LINES)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"port needs a line of code, and was given {text!r}")
    try:
        here = Reader(text.strip()).translation()
    except (RecursionError, MemoryError):
        raise ValueError("port cannot read code nested as deeply as this") from None
    if here.rule is None or to == "gdfunc":
        return here
    there = written(to, here.rule)
    notes = "\n".join(dict.fromkeys([*here.note.splitlines(), *there.note.splitlines()]))
    return Translation(here.rule, there.code, notes)
