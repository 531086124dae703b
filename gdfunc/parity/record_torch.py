"""Records what PyTorch returns at every setting of every record: `python -m gdfunc.parity.record_torch`.

Needs torch, of the version named in `_recorded.py`; nothing else in gdfunc does. A rule's parameters are set to the
stream's before each step, so that the recorded update is not drowned in the parameter's rounding.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np

from ..core import Record, Twin
from ..rules import records
from ._functions import CATALOGUES, catalogue, default_call, example_of
from ._modes import mode
from ._recorded import VERSION, key, line_key
from ._stream import stream
from ._torch_lines import LINES, takes
from ._twins import fields, load, settings_of


def rule_updates(twin: Twin, rule: Any, dtype: str) -> dict[str, np.ndarray] | None:
    """PyTorch's updates on the stream, leaf -> (steps, ...); None where the setting has no equivalent."""
    import torch

    arguments = twin.arguments(**fields(rule))
    if isinstance(arguments, str):
        return None
    data, kind = stream(), getattr(torch, dtype)
    torch.set_default_dtype(kind)  # NAdam keeps its product of momenta in the default dtype
    params = {
        name: torch.zeros(p.shape[1:], dtype=kind, requires_grad=True)
        for name, p in data.params.items()
        if twin.takes is None or twin.takes(p.shape[1:])
    }
    rate = arguments.get("lr")
    if callable(rate):
        arguments["lr"] = float(rate(0))
    foreach = {"foreach": False} if "foreach" in inspect.signature(load(twin.name)).parameters else {}
    optimizer = load(twin.name)(params.values(), **foreach, **arguments)
    updates: dict[str, list[np.ndarray]] = {name: [] for name in params}
    for t in range(data.steps):
        if callable(rate):
            optimizer.param_groups[0]["lr"] = float(rate(t))
        for name, p in params.items():
            p.data = torch.tensor(
                data.params[name][t] if "params" in rule.needs else 0 * data.params[name][t], dtype=kind
            )
            p.grad = torch.tensor(data.gradients[name][t], dtype=kind)
        before = {name: p.detach().clone() for name, p in params.items()}
        optimizer.step()
        for name, p in params.items():
            updates[name].append((p.detach() - before[name]).numpy().copy())
    return {name: np.stack(rows) for name, rows in updates.items()}


def record_rules() -> Iterator[tuple[str, np.ndarray]]:
    known: Record
    for known in records().values():
        for twin in (twin for twin in known.twins if twin.library == "torch"):
            for settings in known.settings:
                for dtype in ("float32", "float64"):
                    found = rule_updates(twin, known.make(**settings), dtype)
                    for leaf, values in (found or {}).items():
                        yield f"{key('rules', known.name, twin.name, settings, dtype)}|{leaf}", values


def record_functions() -> Iterator[tuple[str, np.ndarray]]:
    import torch

    for folder in CATALOGUES:
        for known in catalogue(folder).values():
            for twin in (twin for twin in known.twins if twin.library == "torch"):
                for settings in known.settings:
                    arguments = twin.arguments(**settings_of(known.make, settings))
                    if isinstance(arguments, str):
                        continue
                    for dtype in ("float32", "float64"):
                        torch.set_default_dtype(getattr(torch, dtype))
                        example = tensors(example_of(known, mode(dtype)))
                        call = twin.call or (lambda twin, *ex, known=known, **kw: default_call(known, twin, kw, ex))
                        value = call(load(twin.name), *example, **arguments)
                        found = value if isinstance(value, dict) else {"": value}
                        for leaf, x in found.items():
                            yield f"{key(folder, known.name, twin.name, settings, dtype)}|{leaf}", x.detach().numpy()


def record_lines() -> Iterator[tuple[str, np.ndarray]]:
    """What PyTorch does at the lines of `_torch_lines.py`, run as they stand."""
    import torch

    torch.set_default_dtype(torch.float64)
    data = stream()
    for line in LINES:
        leaves = {name: torch.zeros(x.shape[1:]) for name, x in data.params.items() if takes(line, x.shape[1:])}
        written: dict[str, Any] = {"torch": torch, "params": [p.requires_grad_() for p in leaves.values()]}
        exec(line if "optimizer =" in line else f"optimizer = {line}", written)
        updates: dict[str, list[np.ndarray]] = {name: [] for name in leaves}
        for t in range(data.steps):
            for name, p in leaves.items():
                p.data, p.grad = torch.tensor(data.params[name][t]), torch.tensor(data.gradients[name][t])
            written["optimizer"].step()
            if "scheduler" in written:
                written["scheduler"].step()
            for name, p in leaves.items():
                updates[name].append(p.detach().numpy() - data.params[name][t])
        for name, rows in updates.items():
            yield f"{line_key(line)}|{name}", np.stack(rows)


def signatures() -> dict[str, list[list[Any]]]:
    """The parameters (name, kind, default if any) of PyTorch's optimizers, schedulers and clippings, by full name."""
    from torch import nn, optim

    found: dict[str, Any] = {f"torch.nn.utils.{name}": getattr(nn.utils, name) for name in CLIPPINGS}
    for module, base in ((optim, optim.Optimizer), (optim.lr_scheduler, optim.lr_scheduler.LRScheduler)):
        for name, each in sorted(vars(module).items()):
            if inspect.isclass(each) and issubclass(each, base) and each is not base and not name.startswith("_"):
                found[f"{module.__name__}.{name}"] = each

    def plain(p: inspect.Parameter) -> list[Any]:
        return [p.name, p.kind.name, *([] if p.default is p.empty else [p.default])]

    return {name: [plain(p) for p in inspect.signature(each).parameters.values()] for name, each in found.items()}


CLIPPINGS = ("clip_grad_norm_", "clip_grad_value_")


def tensors(x: Any) -> Any:
    """NumPy's arrays as tensors, in tuples and dictionaries."""
    import torch

    if isinstance(x, np.ndarray):
        return torch.tensor(x)
    if isinstance(x, dict):
        return {name: tensors(value) for name, value in x.items()}
    return tuple(map(tensors, x)) if isinstance(x, tuple) else x


def main() -> None:
    import torch

    if torch.__version__.partition("+")[0] != VERSION:
        sys.exit(f"record_torch needs torch {VERSION}, and found {torch.__version__}")
    folder = files("gdfunc.parity") / "recorded"
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(each)}" for name, each in signatures().items())
    (folder / f"torch-{VERSION}.json").write_text(f"{{\n{rows}\n}}\n")  # pyright: ignore[reportAttributeAccessIssue]
    path = folder / f"torch-{VERSION}.npz"
    entries = {**dict(record_rules()), **dict(record_functions()), **dict(record_lines())}
    np.savez_compressed(str(path), **entries)  # pyright: ignore[reportArgumentType]
    print(f"{len(entries)} arrays in {path}")


if __name__ == "__main__":
    main()
