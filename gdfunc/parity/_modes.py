"""The precisions in which two things are compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import numpy as np


class Mode(NamedTuple):
    """A dtype, and whether JAX's 64-bit types are enabled: Optax's float32 results depend on it."""

    dtype: str
    x64: bool

    @property
    def name(self) -> str:
        return "float32 (x64)" if self.x64 and self.dtype == "float32" else self.dtype

    @property
    def eps(self) -> float:
        """The dtype's rounding error, the distance from 1 to the next number."""
        return float(np.finfo(self.dtype).eps)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with jax.enable_x64(self.x64):
            yield


MODES = (Mode("float32", False), Mode("float32", True), Mode("float64", True))


def mode(name: str) -> Mode:
    """The mode called "float32", "float32 (x64)" or "float64".

    Raises:
        ValueError: on another name.
    """
    for each in MODES:
        if each.name == name:
            return each
    raise ValueError(f"parity needs a precision of {', '.join(m.name for m in MODES)}, and was given {name!r}")
