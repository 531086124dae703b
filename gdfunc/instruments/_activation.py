"""The activation that follows a layer: a run of entry-by-entry operations, one of which is not linear."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..core import jaxpr as jx
from ._program import Block, Op, Ref


@dataclass(frozen=True)
class Activation:
    """`ref` is its value in `block`."""

    name: str
    block: Block
    ref: Ref
    root: Ref  # what it is a function of, entry by entry
    follows: int  # the index of the site before it
    bounded: str  # "tanh" or "sigmoid" where the value is a squashing function's own, else ""


# Called functions that are activations whatever they are made of.
NAMED = frozenset({
    "celu", "clip", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "logaddexp", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_sign", "softplus",
    "sparse_plus", "squareplus", "swish", "tanh",
})  # fmt: skip
_PRIMITIVES = {"tanh": "tanh", "logistic": "sigmoid", "erf": "gelu", "erfc": "gelu", "sin": "sin", "cos": "cos"}
_TIMES_ITS_INPUT = {"tanh": "gelu", "sigmoid": "silu"}
# A tanh beyond 0.97 has lost 94 % of its slope, and so has a sigmoid outside (0.015, 0.985).
ENDS = {"tanh": (-0.97, 0.97), "sigmoid": (0.015, 0.985)}


def find_activations(block: Block, env: dict[Ref, Any]) -> Iterator[Activation]:
    """The activations in a block.

    Args:
        block: the operations.
        env: the `Source` of each value.
    """
    root: dict[Ref, Ref] = {}  # the value of which each is a function, entry by entry
    names: dict[Ref, list[str]] = {}  # of the nonlinear functions between root and value
    makers: dict[Ref, Op] = {}
    users: dict[Ref, list[Op]] = {}
    for op in block.ops:
        taken = {x for x in op.inputs if not isinstance(x, jx.Literal)}
        for x in taken:
            users.setdefault(x, []).append(op)
        data = [x for x in taken if env[x].data]
        roots = {root[x] if x in root else x for x in data}  # noqa: SIM401
        if len(op.outputs) != 1 or len(roots) != 1 or not jx.is_pointwise(op.eqn):
            continue
        out: Ref = op.outputs[0]
        if not all(block.avals[x].shape == block.avals[out].shape for x in data):
            continue
        makers[out] = op
        (root[out],) = roots
        below = [name for x in data for name in names.get(x, ())]
        names[out] = [*below, *_nonlinear(op.eqn, [not isinstance(x, jx.Literal) and env[x].data for x in op.inputs])]

    last: dict[Ref, Ref] = {}
    for out in root:
        leaves = out in block.outputs or any(root.get(o) != root[out] for u in users.get(out, ()) for o in u.outputs)
        if names[out] and leaves:
            last[root[out]] = out
    for start, out in last.items():
        if env[start].owners and env[start].whole:
            bounded = _squashing(makers[out])
            yield Activation(
                bounded or _name(names[out], makers[out]), block, out, start, max(env[start].owners), bounded
            )


def _name(found: list[str], last: Op) -> str:
    product = last.name == "mul" and not any(isinstance(x, jx.Literal) for x in last.inputs)
    names = [_TIMES_ITS_INPUT.get(name, name) if product else name for name in found]
    return next((name for name in names if name in NAMED), names[0])


def _nonlinear(eqn: Any, data: list[bool]) -> list[str]:
    """The names of what is not linear in an equation, of whose inputs some are data."""
    name = eqn.primitive.name
    if name in ("max", "min") and not all(data):
        return ["relu"]
    if name == "select_n":  # where(x > 0, ...), not where(mask, ...)
        return ["where"] if data[0] else []
    if jx.called_name(eqn) in NAMED:
        return [jx.called_name(eqn)]
    if name in _PRIMITIVES:
        return [_PRIMITIVES[name]]
    found = []
    for inner in jx.inner_jaxprs(eqn):
        jaxpr, _ = jx.open_jaxpr(inner)
        known = dict(zip(jaxpr.invars, data, strict=True))
        for each in jaxpr.eqns:
            taken = [not isinstance(v, jx.Literal) and known.get(v, False) for v in each.invars]
            known |= dict.fromkeys(each.outvars, any(taken))
            found += _nonlinear(each, taken)
    return found


def _squashing(op: Op) -> str:
    """ "tanh" or "sigmoid" where the operation is that and no more."""
    eqn = op.eqn
    while (inner := jx.inner_jaxprs(eqn)) and len(jx.open_jaxpr(inner[0])[0].eqns) == 1:
        eqn = jx.open_jaxpr(inner[0])[0].eqns[0]
    return {"tanh": "tanh", "logistic": "sigmoid"}.get(eqn.primitive.name, "")
