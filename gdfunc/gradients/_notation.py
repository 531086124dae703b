"""Operations in readable notation."""

import re
from typing import Any

from ..core import jaxpr as jx
from ._formulas import POINTWISE, REARRANGING, Pointwise


def pointwise(eqn: Any) -> Pointwise | None:
    """The notation of an operation on single entries; None where the table has none, or none for so many inputs."""
    if eqn.primitive.name == "select_n" and len(eqn.invars) != 3:
        return None
    return POINTWISE.get(eqn.primitive.name)


def matmul(eqn: Any) -> tuple[str, tuple[str, str]] | None:
    """How a product of vectors or matrices is written, `{0} @ {1}.T`, and its gradients; None where it is none."""
    if eqn.primitive.name != "dot_general":
        return None
    (rows, columns), batch = eqn.params["dimension_numbers"]
    a, b = (len(v.aval.shape) for v in eqn.invars)
    ranks = (a, b)
    if any(map(len, batch)) or len(rows) != 1 or not set(ranks) <= {1, 2}:
        return None
    # A matrix stands transposed where the axis that is summed over is not the one next to the other factor.
    turned = (ranks[0] == 2 and rows[0] == 0, ranks[1] == 2 and columns[0] == 1)
    a, b = (f"{{{i}}}.T" if turn else f"{{{i}}}" for i, turn in enumerate(turned))
    a_t, b_t = (f"{{{i}}}" if turn else f"{{{i}}}.T" for i, turn in enumerate(turned))
    by_a = {
        (1, 1): "{g} * {1}",
        (1, 2): f"{b} @ {{g}}",
        (2, 1): "outer({1}, {g})" if turned[0] else "outer({g}, {1})",
        (2, 2): f"{b} @ {{g}}.T" if turned[0] else f"{{g}} @ {b_t}",
    }[ranks]
    by_b = {
        (1, 1): "{g} * {0}",
        (1, 2): "outer({g}, {0})" if turned[1] else "outer({0}, {g})",
        (2, 1): f"{a_t} @ {{g}}",
        (2, 2): f"{{g}}.T @ {a}" if turned[1] else f"{a_t} @ {{g}}",
    }[ranks]
    return f"{a} @ {b}", (by_a, by_b)


def operation(eqn: Any, names: list[str]) -> str:
    """What a step computes, as a line of Python: `x @ w1`, `sigmoid(z1)`.

    Args:
        eqn: the equation.
        names: of its inputs, or their numbers.
    """
    primitive = eqn.primitive.name
    if product := matmul(eqn):
        return product[0].format(*names)
    if known := pointwise(eqn):
        text = fill(known.text, eqn, names)
    elif primitive in REARRANGING:
        text = fill(REARRANGING[primitive][0], eqn, names)
    else:
        turns = f"; {eqn.params['length']} turns" if primitive == "scan" else ""
        text = f"{step_name(eqn)}({', '.join(names)}{turns})"
    return _ARGUMENT.sub(r"\1", text)


_ARGUMENT = re.compile(r"(?<=[(\s])\((-[\w.]+)\)(?=[,)])")  # a negative number needs no brackets among arguments


def step_name(eqn: Any) -> str:
    """The word for an operation: a called function's own name, else the primitive's."""
    primitive, name = eqn.primitive.name, ""
    if primitive in jx.CALLS:
        name = jx.called_name(eqn)
    elif primitive.startswith("custom_"):
        debug = jx.open_jaxpr(jx.inner_jaxprs(eqn)[0])[0].debug_info
        name = str(getattr(debug, "func_name", "")) or jx.called_name(eqn)
    short = {"conv_general_dilated": "conv", "dot_general": "contract", "logistic": "sigmoid"}
    return name.strip("_<>") or short.get(primitive) or primitive


def fill(text: str, eqn: Any, names: list[str], **more: str) -> str:
    """A formula with the names of a step's inputs, and what the step's own settings are."""
    p = eqn.params
    known = {"all": ", ".join(names), "shape": str(p.get("shape", p.get("new_sizes"))), **more}
    if "axes" in p:
        whole = len(p["axes"]) == len(eqn.invars[0].aval.shape)
        known["axes"] = "" if whole else f", axis={p['axes'][0] if len(p['axes']) == 1 else tuple(p['axes'])}"
    known |= {"order": str(p.get("permutation")), "dtype": str(p.get("new_dtype"))}
    if "limit_indices" in p:
        ranges = zip(p["start_indices"], p["limit_indices"], eqn.invars[0].aval.shape, strict=True)
        steps = [f":{step}" if step > 1 else "" for step in p["strides"] or (1,) * len(p["limit_indices"])]
        bounds = [":" if (start, stop) == (0, n) else f"{start}:{stop}" for start, stop, n in ranges]
        known["range"] = ", ".join(map("".join, zip(bounds, steps, strict=True)))
    if "y" in p:
        y = p["y"]
        text = "2 * {0}" if text.startswith("{y} *") and y == 2 else text
        known |= {"y": str(y) if y >= 0 else f"({y})", "less": str(y - 1) if y > 0 else f"({y - 1})"}
    return text.format(*names, **known)
