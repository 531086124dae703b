"""What a run recorded: NumPy arrays, saved as npz beside a readable json."""

import hashlib
import io
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import write_atomically

_VERSION = 1
_SCALARS = ("step", "loss", "grad_norm", "update_norm", "param_norm")
_GROUPS = ("aux", "measured", "layers", "run", "evaluated")


@dataclass(frozen=True, eq=False)
class History:
    """One row a step. Row t is what step t saw and did: all norms but the update's are taken before its update.

    A step at which a run was stopped has its row, but its update was not applied.

    Attributes:
        step: (steps,) int, from 1.
        loss: (steps,) the loss of the step's batch, in its own units.
        grad_norm: (steps,) the gradient's global norm.
        update_norm: (steps,) the update's global norm, in units of the parameters.
        param_norm: (steps,) the parameters' global norm.
        aux: path -> (steps, ...), what loss_fn returned beside the loss; averaged over accumulated mini-batches.
        measured_step: (m,) int, the steps at which `measure` was recorded.
        measured: path -> (m, ...), what `measure` returned. A bare array is at "value".
        layers: instrument -> (m, layers), what it read of each layer at `measured_step`, NaN where a layer has none and
            where it was not due; a histogram's are (m, layers, bins) counts.
        layer_names: (layers,) the layers' names, in the order of the run.
        run: instrument -> (m,), what it read of the whole, NaN where it was not due.
        evaluated_step: (e,) int, the number of updates made before each evaluation, from 0.
        evaluated: path -> (e, ...), what `evaluate` returned.
    """

    step: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray
    update_norm: np.ndarray
    param_norm: np.ndarray
    aux: dict[str, np.ndarray] = field(default_factory=dict)
    measured_step: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    measured: dict[str, np.ndarray] = field(default_factory=dict)
    layers: dict[str, np.ndarray] = field(default_factory=dict)
    layer_names: np.ndarray = field(default_factory=lambda: np.zeros(0, np.str_))
    run: dict[str, np.ndarray] = field(default_factory=dict)
    evaluated_step: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    evaluated: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        names = [f"{group}: {', '.join(getattr(self, group))}" for group in _GROUPS if getattr(self, group)]
        return f"History({'; '.join([f'{len(self)} steps', *names])})"

    def save(self, path: str | os.PathLike) -> None:
        """Writes `path`.npz (the arrays) and `path`.json (what they are), each by a rename: never half a file.

        Args:
            path: the files' common name; a suffix .npz or .json is taken off.
        """
        arrays = {name: getattr(self, name) for name in (*_SCALARS, "measured_step", "evaluated_step")}
        arrays |= {"layer_names": self.layer_names} if len(self.layer_names) else {}
        arrays |= {f"{group}/{name}": x for group in _GROUPS for name, x in getattr(self, group).items()}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        about = {
            "format": "gdfunc history",
            "version": _VERSION,
            "steps": len(self),
            "arrays": {name: [str(x.dtype), list(x.shape)] for name, x in arrays.items()},
            "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
        }
        stem = _stem(path)
        for suffix, content in ((".npz", buffer.getvalue()), (".json", json.dumps(about, indent=1).encode())):
            write_atomically(stem.with_name(stem.name + suffix), lambda file, content=content: file.write(content))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "History":
        """Reads what `save` wrote.

        Args:
            path: as given to `save`.

        Raises:
            ValueError: where the files are of another format, or not of one save.
        """
        stem = _stem(path)
        about = json.loads(stem.with_name(stem.name + ".json").read_bytes())
        if about.get("format") != "gdfunc history" or about.get("version") != _VERSION:
            raise ValueError(
                f"History.load needs a gdfunc history of version {_VERSION}, and was given "
                f"{about.get('format')!r} of version {about.get('version')!r}"
            )
        content = stem.with_name(stem.name + ".npz").read_bytes()
        if hashlib.sha256(content).hexdigest() != about["sha256"]:
            raise ValueError(
                f"History.load needs {stem.name}.npz and {stem.name}.json from one save, and their "
                "checksums differ: the writing was cut off between them, or one was replaced"
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
        groups: dict[str, Any] = {group: {} for group in _GROUPS}
        for name in [name for name in arrays if "/" in name]:
            group, _, rest = name.partition("/")
            groups[group][rest] = arrays.pop(name)
        return cls(**arrays, **groups)


def to_numpy(x: Any) -> np.ndarray:
    """A NumPy copy that npz can hold: floats of 16 bits or fewer become float32."""
    x = np.array(x)  # a copy: a view of a device buffer would not survive its donation
    if x.dtype == object:
        raise ValueError(f"a history needs arrays and numbers, and was given {x!r}")
    return x.astype(np.float32) if jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize < 4 else x


def by_name(tree: Any) -> dict[str, np.ndarray]:
    """A pytree as path -> NumPy array; a bare array is at "value"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(p, simple=True, separator="/") or "value": to_numpy(x) for p, x in leaves}


def concatenate(first: History, second: History) -> History:
    """Two histories, one after the other."""
    scalars = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in (*_SCALARS, "measured_step", "evaluated_step")
    }
    steps = {
        "aux": "step",
        "measured": "measured_step",
        "layers": "measured_step",
        "run": "measured_step",
        "evaluated": "evaluated_step",
    }
    groups = {}
    for group, counted in steps.items():
        pieces = [getattr(h, group) for h in (first, second) if len(getattr(h, counted))]
        groups[group] = join(pieces, group)
    return History(**scalars, **groups, layer_names=second.layer_names if len(second.layers) else first.layer_names)


def join(pieces: list[dict[str, np.ndarray]], what: str) -> dict[str, np.ndarray]:
    """Pieces with the same names, one after another."""
    for piece in pieces[1:]:
        if piece.keys() != pieces[0].keys():
            raise ValueError(
                f"a history needs {what} to have the same names all along, and was given "
                f"{sorted(pieces[0])} and then {sorted(piece)}"
            )
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in (pieces[0] if pieces else ())}


def until(history: History, step: int) -> History:
    """The rows of the steps that were made: a step that was judged and not made has its row written again."""
    rows, measured = history.step <= step, history.measured_step <= step
    return replace(
        history,
        **{name: getattr(history, name)[rows] for name in _SCALARS},
        aux={name: x[rows] for name, x in history.aux.items()},
        measured_step=history.measured_step[measured],
        measured={name: x[measured] for name, x in history.measured.items()},
        layers={name: x[measured] for name, x in history.layers.items()},
        run={name: x[measured] for name, x in history.run.items()},
    )


def _stem(path: str | os.PathLike) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".npz", ".json") else path
