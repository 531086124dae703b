"""Another framework's trajectory, as arrays."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..core import write_atomically
from ._modes import Mode, mode
from ._stream import Stream

Arrays = Mapping[str, Any]
_TREES = ("gradients", "params", "updates")


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """What another framework did to the parameters, step by step; `compare` takes it in the place of a rule.

    In PyTorch, with `layers` a list of parameters by name: before `optimizer.step()` append each parameter and its
    gradient to a list, after the last step append the parameters once more, and stack the lists with NumPy.

    Args:
        gradients: leaf path -> (steps, ...), finite or not.
        params: leaf path -> (steps, ...), the parameters that each gradient was taken at; with one row more, the last
            parameters too, the updates are their differences. Zeros if not given.
        updates: leaf path -> (steps, ...), float32 or float64: what was added to the parameters.
        name: what a comparison calls it; best the other framework's name, `torch.optim.Adam`.

    Attributes:
        rounding: leaf path -> the size whose rounding the updates carry: that of the parameters where the updates are
            their differences; empty where the updates were recorded.

    Raises:
        ValueError: naming the leaf where shapes or dtypes do not fit, and where there are neither updates nor one row of
            parameters more than gradients.
    """

    gradients: Arrays
    params: Arrays | None = None
    updates: Arrays | None = None
    name: str = "a recording"
    rounding: Mapping[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self):
        g, p, u = (_arrays(name, getattr(self, name)) for name in _TREES)
        if not g or not all(len(x) for x in g.values()) or len({len(x) for x in g.values()}) != 1:
            shapes = {leaf: x.shape for leaf, x in g.items()}
            raise ValueError(f"Recording needs gradients (steps, ...) with one number of steps, and was given {shapes}")
        steps, rounding = len(next(iter(g.values()))), {}
        if not u:
            if not p or any(len(x) != steps + 1 for x in p.values()):
                raise ValueError(
                    f"Recording needs updates, or params with one row more than the {steps} gradients, the last "
                    f"parameters; it was given params of {[len(x) for x in p.values()] or 'no'} rows"
                )
            rounding = {leaf: float(np.max(np.abs(x), initial=0, where=np.isfinite(x))) for leaf, x in p.items()}
            with np.errstate(invalid="ignore"):  # infinity minus infinity
                u = {leaf: np.diff(x, axis=0) for leaf, x in p.items()}
            p = {leaf: x[:-1] for leaf, x in p.items()}
        p = p or {leaf: np.zeros_like(x) for leaf, x in g.items()}
        for name, tree in (("params", p), ("updates", u)):
            if set(tree) != set(g):
                raise ValueError(f"Recording needs {name} of leaves {sorted(g)}, and was given {sorted(tree)}")
            for leaf, x in tree.items():
                if x.shape != g[leaf].shape:
                    raise ValueError(
                        f"Recording needs {name} shaped as gradients, and at {leaf!r} was given {x.shape} beside "
                        f"{g[leaf].shape}"
                    )
        dtypes = {str(x.dtype) for x in u.values()}
        if len(dtypes) != 1 or not dtypes <= {"float32", "float64"}:
            raise ValueError(f"Recording needs updates in float32 or in float64, and was given {sorted(dtypes)}")
        for name, value in (("gradients", g), ("params", p), ("updates", u), ("rounding", rounding)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{leaf}{list(x.shape[1:])}" for leaf, x in self.gradients.items())
        return f"Recording({self.name!r}, {self.stream.steps} steps of {shapes}, {self.mode.name})"

    @property
    def mode(self) -> Mode:
        """The precision that the updates are in."""
        assert self.updates is not None
        return mode(str(next(iter(self.updates.values())).dtype))

    @property
    def stream(self) -> Stream:
        """The gradients and parameters, for another rule to be run on."""
        assert self.params is not None
        wide = lambda tree: {leaf: np.asarray(x, np.float64) for leaf, x in tree.items()}  # noqa: E731
        zeros = {leaf: np.zeros(x.shape) for leaf, x in self.gradients.items()}
        return Stream(wide(self.gradients), wide(self.params), np.zeros(len(next(iter(zeros.values())))), zeros)

    def save(self, path: str | os.PathLike) -> Path:
        """Writes a NumPy archive with the arrays `gradients/LEAF`, `params/LEAF`, `updates/LEAF` and `name`.

        Parameters that the updates were differenced from come back as they are, their rounding with them.
        """
        entries = {f"{kind}/{leaf}": x for kind in _TREES for leaf, x in getattr(self, kind).items()}
        entries |= {f"rounding/{leaf}": np.asarray(x) for leaf, x in self.rounding.items()}
        return write_atomically(path, lambda file: np.savez_compressed(file, name=np.asarray(self.name), **entries))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recording":
        """The recording in a NumPy archive: arrays `gradients/LEAF`, and `params/LEAF`, `updates/LEAF` or both.

        Raises:
            ValueError: where the file is no such archive; OSError where it cannot be read.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                entries = dict(archive)
        except (ValueError, AttributeError, TypeError, EOFError, BadZipFile) as error:  # text, a pickle, a bare array
            raise ValueError(f"Recording.load needs a NumPy archive (.npz), and {path} is none") from error
        trees = {kind: {} for kind in (*_TREES, "rounding")}
        name = str(entries.pop("name", Path(path).stem))
        for key, x in entries.items():
            kind, slash, leaf = key.partition("/")
            if kind not in trees or not slash:
                raise ValueError(
                    f"Recording.load needs arrays gradients/LEAF, params/LEAF, updates/LEAF; found {key!r}"
                )
            trees[kind][leaf] = x
        made = cls(trees["gradients"], trees["params"] or None, trees["updates"] or None, name)
        if trees["rounding"]:
            object.__setattr__(made, "rounding", {leaf: float(x) for leaf, x in trees["rounding"].items()})
        return made


def _arrays(name: str, tree: Any) -> dict[str, np.ndarray]:
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        raise ValueError(f"Recording needs {name} as a mapping of leaf path -> array, and was given {tree!r:.80}")
    found = {str(leaf): np.asarray(x) for leaf, x in tree.items()}
    for leaf, x in found.items():
        if x.dtype.kind not in "fiu" or x.ndim == 0:
            raise ValueError(f"Recording needs {name} as real arrays (steps, ...), and {leaf!r} is {x.dtype}{x.shape}")
    return found
