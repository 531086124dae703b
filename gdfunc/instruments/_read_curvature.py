"""Reads the loss's curvature where a step begins, searching from where the last reading ended."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
from jax import Array

from ..core import Tree
from ..rules import Adam
from ._curvature import top_eigenvalue
from ._reader import Reader, Step, at_first, zeros
from ._stability import adam_preconditioner, sharpness_ratio


class Directed(NamedTuple):
    """Where the next search for the largest eigenvalue starts: of H, and of P^-1 H."""

    plain: Tree
    preconditioned: Tree


def _vectors(params: Tree, names: tuple[str, ...]) -> Directed:
    return Directed(zeros(params), zeros(params))


def _curvature(step: Step, names: tuple[str, ...], memory: Directed, first: Array) -> tuple[Mapping[str, Any], Any]:
    leaves, structure = jax.tree.flatten(step.params)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    drawn = structure.unflatten([jax.random.normal(k, p.shape, p.dtype) for k, p in zip(keys, leaves, strict=True)])
    search = lambda v, P=None: top_eigenvalue(  # noqa: E731
        step.loss_fn, step.params, step.batch, at_first(first, drawn, v), 20, 0.05, P
    )
    found: dict[str, Any] = {}
    if "sharpness_ratio" in names and type(step.rule) is Adam:
        scaled = search(memory.preconditioned, adam_preconditioner(step.rule, step.state))
        found["sharpness_ratio"] = sharpness_ratio(scaled.value, step.rule, step.number, preconditioned=True)
        memory = memory._replace(preconditioned=scaled.vector)
    if set(names) > set(found):
        top = search(memory.plain)
        found = {
            "sharpness": top.value,
            "sharpness_residual": top.residual,
            "sharpness_ratio": sharpness_ratio(top.value, step.rule, step.number),
            **found,
        }
        memory = memory._replace(plain=top.vector)
    return found, memory


CURVATURE = Reader(("sharpness", "sharpness_residual", "sharpness_ratio"), _vectors, _curvature)
