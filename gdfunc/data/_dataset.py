"""What every data set is: four arrays, and where they come from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Meta:
    """What is known of a data set.

    Attributes:
        name: the name by which `load` finds it.
        task: "classification" (targets are (n,) int32 class numbers) or "regression" ((n, outputs) float32).
        input_shape: the shape of one example.
        classes: how many, or None for regression.
        source: who made it, in which year, where it is written up.
        licence: the terms of the data; the details are in LICENCES.md beside this file.
        options: every option with its value: `load(meta.name, **meta.options)` gives the same arrays.
        facts: what is known by construction (scales, true weights, the error of a constant, ...).
        sha256: of the four arrays' names, dtypes, shapes and bytes, x_train first.
    """

    name: str
    task: Literal["classification", "regression"]
    input_shape: tuple[int, ...]
    classes: int | None
    source: str
    licence: str
    options: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test arrays (NumPy), and what is known of them.

    Attributes:
        x_train: (n_train, *meta.input_shape), float32.
        y_train: (n_train,) int32 class numbers, or (n_train, outputs) float32.
        x_test: as `x_train`.
        y_test: as `y_train`.
        meta: name, source, licence, options, sha256.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    meta: Meta

    def __repr__(self) -> str:
        kind = "regression" if self.meta.classes is None else f"{self.meta.classes} classes"
        return (
            f"Dataset({self.meta.name}: {len(self.x_train)} training and {len(self.x_test)} test examples of "
            f"shape {self.meta.input_shape}, {kind})"
        )


def make_dataset(x_train: Any, y_train: Any, x_test: Any, y_test: Any, dtype: Any = np.float32, **meta: Any) -> Dataset:
    """A `Dataset` in its final dtypes, with the checksum of its arrays."""
    inputs = [np.ascontiguousarray(x, dtype) for x in (x_train, x_test)]
    targets = [
        np.ascontiguousarray(y, np.int32 if meta["task"] == "classification" else dtype) for y in (y_train, y_test)
    ]
    arrays = {"x_train": inputs[0], "y_train": targets[0], "x_test": inputs[1], "y_test": targets[1]}
    return Dataset(**arrays, meta=Meta(input_shape=inputs[0].shape[1:], sha256=checksum(**arrays), **meta))


def checksum(**arrays: np.ndarray) -> str:
    """The sha256 of named arrays: names, dtypes, shapes and little-endian bytes, in the order given."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def shuffled_labels(rng: np.random.Generator, n: int, classes: int) -> np.ndarray:
    """(n,) class numbers in random order, the counts of any two classes at most 1 apart."""
    return rng.permutation(np.arange(n) % classes)
