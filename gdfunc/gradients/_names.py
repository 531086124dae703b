"""Short names for the values of a program: z1, a1, ... for layers and activations, v1, v2, ... for the rest."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from ..core import Tree, jaxpr as jx, leaf_paths
from ._notation import step_name
from ._numbers import in_numbers, uniform
from ._program import Program, Ref, Step, Use

_WEIGHTED = ("dot_general", "conv_general_dilated", "gather", "ragged_dot")
# Pointwise functions of one value that are arithmetic, and no activation.
_ARITHMETIC = (
    "abs", "add", "convert_element_type", "copy", "div", "integer_pow", "mul", "neg", "sign", "square", "stop_gradient",
    "sub",
)  # fmt: skip


def name_values(program: Program, params: Tree, batch: Tree) -> dict[Ref, str]:
    """A name for every value, each another but for numbers of the program's own.

    The parameters have their paths, and of the batch (x, y) are called so. The k-th product of weights and data is z_k
    where no bias follows; where one does, the product is u_k and the sum z_k. An activation of z_k is a_k, the loss L.
    """
    taken: set[str] = set()
    names = dict(zip(program.inputs, [*_of(params, "params"), *_batch_names(batch)], strict=True))
    names = {ref: _new(name, taken, "batch/") for ref, name in names.items()}
    for ref, value in program.constants.items():
        number = is_number(program, ref)
        names[ref] = as_number(in_numbers(jnp.ravel(value)[0])) if number else _new("c", taken, counted=True)
    names |= {ref: _new(name, taken) for ref, name in _layers(program, len(jax.tree.leaves(params))).items()}
    if isinstance(program.loss, Use) and any(program.loss.ref in step.outputs for step in program.steps):
        names[program.loss.ref] = _new("L", taken)
    for step in program.steps:
        for ref in step.outputs:
            if ref not in names:
                names[ref] = _new("v", taken, counted=True)
    return names


def is_number(program: Program, ref: Ref) -> bool:
    """Whether a value is one number of the program's, which is called by it."""
    return ref in program.constants and uniform(program.constants[ref])


def as_number(text: str) -> str:
    """A number as it stands among others: a negative one in brackets."""
    return f"({text})" if text.startswith("-") else text


def _of(tree: Tree, whole: str) -> list[str]:
    return [whole if path == "(the tree itself)" else path for path in leaf_paths(tree)]


def _batch_names(batch: Tree) -> list[str]:
    if isinstance(batch, tuple) and len(batch) == 2:
        x, y = batch
        return [*_under("x", x), *_under("y", y)]
    return _of(batch, "x")


def _under(name: str, tree: Tree) -> list[str]:
    return [name if path == "(the tree itself)" else f"{name}/{path}" for path in leaf_paths(tree)]


def _new(name: str, taken: set[str], before: str = "", counted: bool = False) -> str:
    """The name, or the next one like it that is free."""
    n, found = 1, f"{name}1" if counted else name
    while found in taken:
        n += 1
        found = f"{name}{n}" if counted else f"{before}{name}" if before and n == 2 else f"{name}_{n}"
    taken.add(found)
    return found


def _layers(program: Program, params: int) -> dict[Ref, str]:
    """The names of layers' outputs and of their activations."""
    weights, users = _weights(program, params), _users(program.steps)
    names: dict[Ref, str] = {}
    sums: dict[Ref, int] = {}  # z_k -> k
    for step in program.steps:
        refs, out = [use.ref for use in step.uses], step.outputs[0]
        if step.eqn.primitive.name in _WEIGHTED and weights & set(refs) and out not in weights:
            k = len(sums) + 1
            if (total := _with_bias(out, users, weights)) is not None:
                names[out], out = f"u{k}", total
            names[out], sums[out] = f"z{k}", k
        elif refs and refs[0] in sums and _activates(step, program) and f"a{sums[refs[0]]}" not in names.values():
            names[out] = f"a{sums[refs[0]]}"
    if isinstance(program.loss, Use):
        names.pop(program.loss.ref, None)
    return names


def _weights(program: Program, params: int) -> set[Ref]:
    """The parameters, and what is made of them alone."""
    weights = set(program.inputs[:params])
    alone = weights | {ref for ref in program.constants if is_number(program, ref)}  # other arrays are data
    for step in program.steps:
        if all(use.ref in alone for use in step.uses):
            alone |= set(step.outputs)
            weights |= set(step.outputs)
    return weights


def _users(steps: Iterable[Step]) -> dict[Ref, list[Step]]:
    users: dict[Ref, list[Step]] = {}
    for step in steps:
        for use in step.uses:
            users.setdefault(use.ref, []).append(step)
    return users


def _with_bias(product: Ref, users: dict[Ref, list[Step]], weights: set[Ref]) -> Ref | None:
    """The sum of a product and its bias, past what only moves entries; None where no bias follows."""
    ref = product
    while len(after := users.get(ref, [])) == 1:
        (step,) = after
        others = [use.ref for use in step.uses if use.ref != ref]
        if step.eqn.primitive.name in ("add", "add_any") and len(others) == 1 and others[0] in weights:
            return step.outputs[0]
        if step.eqn.primitive.name not in ("transpose", "reshape"):
            return None
        ref = step.outputs[0]
    return None


def _activates(step: Step, program: Program) -> bool:
    """Whether it is a pointwise function of one value alone, and no arithmetic."""
    others: list[Any] = [use for use in step.uses[1:] if use.ref not in program.constants]
    named = step_name(step.eqn) not in _ARITHMETIC
    return named and not others and len(step.outputs) == 1 and jx.is_pointwise(step.eqn)
