"""gdfunc: gradient descent that you can read, verify, see through and scale, as pure JAX functions.

Names are loaded on first use, so that `gdfunc --help` needs no JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from . import (
        clipping as clipping,
        core as core,
        data as data,
        diagnosis as diagnosis,
        gradients as gradients,
        init as init,
        instruments as instruments,
        interop as interop,
        losses as losses,
        models as models,
        parity as parity,
        report as report,
        rules as rules,
        schedules as schedules,
        testing as testing,
        theory as theory,
        training as training,
    )
    from .core import (
        ArrayRule as ArrayRule,
        Rule as Rule,
        TreeRule as TreeRule,
        apply_updates as apply_updates,
        by_path as by_path,
        chain as chain,
        in_axes as in_axes,
        masked as masked,
        rule as rule,
    )
    from .diagnosis import diagnose as diagnose
    from .instruments import tap as tap
    from .report import explain as explain
    from .training import bracket as bracket, train as train

_FOLDERS = (
    "clipping",
    "core",
    "data",
    "diagnosis",
    "gradients",
    "init",
    "instruments",
    "interop",
    "losses",
    "models",
    "parity",
    "report",
    "rules",
    "schedules",
    "testing",
    "theory",
    "training",
)
_NAMES = {
    **dict.fromkeys(
        ("ArrayRule", "Rule", "TreeRule", "apply_updates", "by_path", "chain", "in_axes", "masked", "rule"), "core"
    ),
    "diagnose": "diagnosis",
    "explain": "report",
    "bracket": "training",
    "tap": "instruments",
    "train": "training",
}
__all__ = ["__version__", *_FOLDERS, *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name in _FOLDERS:
        return import_module(f"gdfunc.{name}")
    if name in _NAMES:
        value = getattr(import_module(f"gdfunc.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gdfunc' has no attribute {name!r}")


def __dir__():
    return __all__
