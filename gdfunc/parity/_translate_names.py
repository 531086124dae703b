"""The other libraries' names and the signatures behind them: PyTorch's as recorded, Optax's as installed, Keras's as written."""

import inspect
import json
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module, metadata
from importlib.resources import files
from typing import Any

from ..core import did_you_mean
from . import _translate_keras_calls as keras
from ._recorded import VERSION

LIBRARIES = ("optax", "torch", "keras")
OPTAX = "0.2.8"  # the version that the records speak of
HELD = ("params", "optimizer", "parameters")  # what PyTorch's take first: the thing that they work on


def full_name(library: str, name: str) -> str:
    """`torch.optim.AdamW` for "AdamW", "optim.AdamW" and "torch.optim.AdamW".

    Raises:
        ValueError: with the nearest names, where the library has no such thing.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"from_{library} needs a name, and was given {name!r}")
    if "(" in name:
        raise ValueError(f"from_{library} needs a name, and was given {name!r}: lines of code are read by port(...)")
    if library == "optax":
        return _optax_name(name)
    known = torch_signatures() if library == "torch" else keras.SIGNATURES
    found = [each for each in known if f".{each}".endswith(f".{name.removeprefix('tf.')}")]
    if len(found) != 1:
        raise _unknown(library, name, [each.rpartition(".")[2] for each in known])
    return found[0]


def _optax_name(name: str) -> str:
    import optax

    check_optax()
    thing, path = optax, ["optax"]
    for part in name.removeprefix("optax.").split("."):
        names = [each for each in dir(thing) if not each.startswith("_")]
        if part not in names:
            raise _unknown("optax", name, names)
        thing, path = getattr(thing, part), [*path, part]
    if not callable(thing):
        raise ValueError(f"from_optax needs a function, and {'.'.join(path)} is none")
    return ".".join(path)


def _unknown(library: str, name: str, names: Sequence[str]) -> ValueError:
    lower = {each.lower(): each for each in names}
    near = get_close_matches(name.rpartition(".")[2].lower(), lower, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(lower[each]) for each in near)}?" if near else ""
    return ValueError(f"{library} has no {name!r}.{hint}")


@cache
def check_optax() -> None:
    """Warns, once, where Optax is not the version that the records were held against."""
    if (found := metadata.version("optax")) != OPTAX:
        warnings.warn(
            f"the records speak of Optax {OPTAX}, and {found} is installed: its defaults and behaviour may differ",
            stacklevel=2,
        )


@cache
def torch_signatures() -> dict[str, inspect.Signature]:
    """Full name -> signature, of every optimizer, scheduler and clipping of PyTorch."""
    path = files("gdfunc.parity") / "recorded" / f"torch-{VERSION}.json"
    return {name: _signature(parameters) for name, parameters in json.loads(path.read_text()).items()}


def _signature(parameters: Sequence[Sequence[Any]]) -> inspect.Signature:
    def one(name: str, kind: str, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
        default = tuple(default) if isinstance(default, list) else default
        return inspect.Parameter(name, inspect._ParameterKind[kind], default=default)

    return inspect.Signature([one(*each) for each in parameters if each[0] not in HELD])


def signature(library: str, full: str) -> inspect.Signature:
    """The parameters of what has this full name, without the thing that PyTorch's work on."""
    if library == "optax":
        return inspect.signature(optax_object(full))
    return (torch_signatures() if library == "torch" else keras.SIGNATURES)[full]


def optax_object(full: str) -> Any:
    """What Optax's full name stands for."""
    module, _, name = full.rpartition(".")
    return getattr(import_module(module), name)


def bind(library: str, full: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument that was given, by its name.

    Raises:
        ValueError: on an unknown argument (with the nearest ones), one too many, or one that is missing.
    """
    known = signature(library, full)
    names = [p.name for p in known.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    anything = any(p.kind is p.VAR_KEYWORD for p in known.parameters.values())
    for name in keywords:
        if name not in names and not anything:
            raise did_you_mean(full, name, names)
    try:
        return dict(known.bind(*arguments, **keywords).arguments)
    except TypeError as error:
        raise ValueError(f"{full}: {error}") from None


def defaults(library: str, full: str) -> dict[str, Any]:
    """The arguments that need not be given."""
    parameters = signature(library, full).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
