"""Where an operation puts the axis along which a batch's examples lie, if it keeps them apart."""

import math
from typing import Any

from ..core import jaxpr as jx


def keeps(eqn: Any, axes: list[int | None], out: int) -> bool:
    """Whether each example of the result comes from the same one of what is given, all along these axes."""
    name, p = eqn.primitive.name, eqn.params
    given = [i for i in axes if i is not None]
    axis, shape, after = given[0], eqn.invars[axes.index(given[0])].aval.shape, eqn.outvars[0].aval.shape
    if jx.is_pointwise(eqn):
        return all(i == out for i in given)
    match name:
        case "broadcast_in_dim":
            return p["broadcast_dimensions"][axis] == out
        case "transpose":
            return p["permutation"][out] == axis
        case "reshape" | "squeeze" | "expand_dims":
            return math.prod(shape[:axis]) == math.prod(after[:out])
        case (
            "reduce_sum"
            | "reduce_max"
            | "reduce_min"
            | "reduce_prod"
            | "reduce_and"
            | "reduce_or"
            | "argmax"
            | "argmin"
        ):
            return out == axis - sum(i < axis for i in p["axes"]) and axis not in p["axes"]
        case "cumsum" | "cumprod" | "cummax" | "cummin" | "cumlogsumexp" | "split":
            return p["axis"] != axis == out
        case "sort" | "concatenate":
            return p["dimension"] != axis and all(i == out for i in given)
        case "rev":
            return axis not in p["dimensions"]
        case "top_k":
            return axis != len(shape) - 1
        case "slice" | "dynamic_slice" | "iota":
            return axis == out
        case "pad":
            return axis == out and tuple(p["padding_config"][axis]) == (0, 0, 0)
        case "reduce_window_max" | "reduce_window_sum" | "reduce_window_min":
            of_window = (p["window_dimensions"][axis], p["window_strides"][axis], *p["padding"][axis])
            return axis == out and of_window == (1, 1, 0, 0)
        case "conv_general_dilated":
            numbers = p["dimension_numbers"]
            here = axes[1] is None and axis == numbers.lhs_spec[0] and out == numbers.out_spec[0]
            return here and p["batch_group_count"] == 1
        case "dot_general":
            return _in_product(p["dimension_numbers"], axes, [len(x.aval.shape) for x in eqn.invars]) == out
        case "gather":
            return _in_gather(p["dimension_numbers"], axes, len(after)) == out
    return False


def _in_product(numbers: Any, axes: list[int | None], ranks: list[int]) -> int | None:
    """Where a product puts an axis of one of its operands, or one that both share."""
    summed, shared = numbers
    given = [(side, axis) for side, axis in enumerate(axes) if axis is not None]
    side, axis = given[0]
    if len(given) == 2:
        pairs = list(zip(*shared, strict=True))
        return pairs.index(tuple(axes)) if tuple(axes) in pairs else None
    taken = {*summed[side], *shared[side]}
    if axis in taken:
        return None
    of_left = ranks[0] - len(summed[0]) if side else len(shared[0])
    return of_left + sum(i not in taken for i in range(axis))


def _in_gather(numbers: Any, axes: list[int | None], rank: int) -> int | None:
    """Where a gather puts the examples, whose indices they are, and whose rows alone these may look at."""
    table, at = axes
    if at is None:
        return None
    pairs = list(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True))
    if table is not None and (table, at) not in pairs:
        return None
    return [i for i in range(rank) if i not in numbers.offset_dims][at]
